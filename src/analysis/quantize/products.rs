//! The convolutions and dense layers of a graph: what goes into them is what integer kernels would
//! read as 8 bits.

use crate::error::ShapeError;
use crate::graph::{Graph, Origin, Value};

/// Ops whose first operand is quantized, and whose second is their weights.
const PRODUCTS: [&str; 2] = ["conv2d", "matmul"];

/// The same graph in which each product reads what `seen` makes of its first operand. `seen` gets the
/// name of the layer. `kept` are values of the old graph; returns what they are in the new one.
/// Outputs are not copied.
///
/// # Errors
/// When an op rejects its operands.
pub(super) fn through<const N: usize>(
    old: &Graph,
    kept: [Value; N],
    seen: &mut dyn FnMut(&mut Graph, &str, Value) -> Result<Value, ShapeError>,
) -> Result<(Graph, [Value; N]), ShapeError> {
    let mut new = Graph::default();
    // Sources are not in the list of nodes.
    let mut known: Vec<Option<Value>> = old
        .values()
        .map(|value| match old.origin(value) {
            Origin::Source(name) => Some(new.source(name, old.ty(value).clone())),
            Origin::Node { .. } => None,
        })
        .collect();
    let missing = || ShapeError::new("graph", "a value is used before it is made");
    for node in old.nodes() {
        new.set_scope(node.scope.clone());
        let inputs = node.inputs.iter().map(|value| known[value.index()].ok_or_else(missing));
        let mut inputs = inputs.collect::<Result<Vec<Value>, _>>()?;
        if PRODUCTS.contains(&node.op.name())
            && let Some(x) = inputs.first_mut()
        {
            *x = seen(&mut new, &node.scope, *x)?;
        }
        let outputs = new.push_node(node.op.clone(), &inputs)?;
        for (before, now) in node.outputs.iter().zip(outputs) {
            known[before.index()] = Some(now);
        }
    }
    let mut mapped = kept;
    for value in &mut mapped {
        *value = known[value.index()].ok_or_else(missing)?;
    }
    Ok((new, mapped))
}
