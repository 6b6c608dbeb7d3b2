//! Reverse-mode differentiation: one walk over the nodes, from the last to the first.

use crate::error::ShapeError;
use crate::graph::{Graph, NodeId, Origin, Value, Vjp};
use crate::ops::{Binary, Cast};

/// Adds the nodes that compute the gradients of `wrt`, given the gradients of some values.
///
/// `seeds` are pairs of a value and the gradient of the loss with respect to it; for a loss itself,
/// a tensor holding one. Where a value is used more than once, its gradients are summed. The result
/// has one entry per value of `wrt`: `None` where no seed depends on it.
///
/// Gradients are not followed through the values of `wrt` themselves, so that a parameter may be a
/// view into an arena.
///
/// # Errors
/// When an op on the way has no gradient, or a seed has another shape than its value.
pub fn backward(
    graph: &mut Graph,
    seeds: &[(Value, Value)],
    wrt: &[Value],
) -> Result<Vec<Option<Value>>, ShapeError> {
    let needed = depends_on(graph, wrt);
    let mut gradients: Vec<Option<Value>> = vec![None; graph.value_count()];
    let outer_scope = graph.scope().to_owned();
    for &(value, seed) in seeds {
        if graph.ty(value) != graph.ty(seed) {
            return Err(ShapeError::new(
                "gradient",
                format!("the seed of a {} is a {}", graph.ty(value), graph.ty(seed)),
            ));
        }
        accumulate(graph, &mut gradients, value, seed)?;
    }
    for index in (0..graph.nodes().len()).rev() {
        let node = &graph.nodes()[index];
        let cotangents: Vec<Option<Value>> =
            node.outputs.iter().map(|v| gradients.get(v.index()).copied().flatten()).collect();
        let wanted: Vec<bool> = node.inputs.iter().map(|v| needed[v.index()]).collect();
        let is_target = node.outputs.iter().any(|v| wrt.contains(v));
        if is_target || cotangents.iter().all(Option::is_none) || !wanted.contains(&true) {
            continue;
        }
        let (op, inputs, node_id) = (node.op.clone(), node.inputs.clone(), node_id(graph, index));
        graph.set_scope(format!("{}/gradient", node.scope));
        let mut rule = Vjp::new(graph, node_id, cotangents, wanted.clone());
        op.vjp(&mut rule)?;
        for ((input, gradient), wanted) in inputs.into_iter().zip(rule.into_gradients()).zip(wanted)
        {
            if let (Some(gradient), true) = (gradient, wanted) {
                accumulate(graph, &mut gradients, input, gradient)?;
            }
        }
    }
    graph.set_scope(outer_scope);
    Ok(wrt.iter().map(|v| gradients[v.index()]).collect())
}

/// Adds `gradient` to what is known of the gradient of `value`, whose element type it gets.
fn accumulate(
    graph: &mut Graph,
    gradients: &mut [Option<Value>],
    value: Value,
    gradient: Value,
) -> Result<(), ShapeError> {
    let dtype = graph.ty(value).dtype;
    let gradient = if graph.ty(gradient).dtype == dtype {
        gradient
    } else {
        graph.push(Cast { to: dtype }, &[gradient])?
    };
    let sum = match gradients[value.index()] {
        Some(known) => graph.push(Binary::ADD, &[known, gradient])?,
        None => gradient,
    };
    gradients[value.index()] = Some(sum);
    Ok(())
}

/// Marks the values that depend on one of `wrt`, themselves included.
fn depends_on(graph: &Graph, wrt: &[Value]) -> Vec<bool> {
    let mut marked = vec![false; graph.value_count()];
    for value in wrt {
        marked[value.index()] = true;
    }
    for node in graph.nodes() {
        if node.inputs.iter().any(|v| marked[v.index()]) {
            for output in &node.outputs {
                marked[output.index()] = true;
            }
        }
    }
    marked
}

fn node_id(graph: &Graph, index: usize) -> NodeId {
    match graph.origin(graph.nodes()[index].outputs[0]) {
        Origin::Node { node, .. } => *node,
        Origin::Source(_) => unreachable!("a node's output comes from the node"),
    }
}
