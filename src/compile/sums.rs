//! Gradients of biases: sums over rows, which take fewer elements and fewer dispatches together.
//!
//! Behind a pooling that selects, a gradient is zero but for what was selected: its sum is that of the
//! pooled gradient. And the sums of all layers whose gradients are small wait until the last of them is
//! there, and are one op.

use std::sync::Arc;

use super::flow::Flow;
use super::fuse::is_valid;
use crate::graph::{Caps, Graph, Node, Structure, Value};
use crate::ops::{SumRows, SumsOfRows};
use crate::tensor::DType;

/// Gradients of more bytes do not wait: they would keep their memory.
const MOST_BYTES: usize = 4 << 20;

/// Sums what was selected instead of where it lies.
pub(super) fn sum_selections(graph: &Graph, mut nodes: Vec<Node>) -> Vec<Node> {
    for at in 0..nodes.len() {
        if nodes[at].op.downcast_ref::<SumRows>().is_none() {
            continue;
        }
        let flow = Flow::of(graph, &nodes);
        let Some((_, scatter)) = flow.producer(&nodes, nodes[at].inputs[0]) else { continue };
        let (true, Some(&selected)) = (scatter.op.scatters_selection(), scatter.inputs.last())
        else {
            continue;
        };
        let summed = Node { inputs: vec![selected], ..nodes[at].clone() };
        if is_valid(graph, &summed) {
            nodes[at] = summed;
        }
    }
    nodes
}

/// Makes one node of sums whose results are only packed, where the device can bind them all. Software
/// devices start a dispatch in no time.
pub(super) fn join_sums(graph: &Graph, caps: &Caps, mut nodes: Vec<Node>) -> Vec<Node> {
    if !caps.kernels || caps.prefers_loops() {
        return nodes;
    }
    let joinable: Vec<usize> = {
        let flow = Flow::of(graph, &nodes);
        let waits = |at: &usize| {
            let node = &nodes[*at];
            node.op.downcast_ref::<SumRows>().is_some()
                && graph.ty(node.inputs[0]).dtype == DType::F32
                && graph.ty(node.inputs[0]).bytes() <= MOST_BYTES
                && flow.is_read_once(node.outputs[0])
                && is_packed(&nodes, node.outputs[0])
        };
        (0..nodes.len()).filter(waits).collect()
    };
    let mut joined = vec![false; nodes.len()];
    for group in joinable.chunks(SumsOfRows::most_inputs(caps).max(1)) {
        let (&[.., last], true) = (group, group.len() > 1) else { continue };
        let all =
            |values: &dyn Fn(&Node) -> Value| group.iter().map(|&at| values(&nodes[at])).collect();
        let node = Node {
            op: Arc::new(SumsOfRows {}),
            inputs: all(&|node| node.inputs[0]),
            outputs: all(&|node| node.outputs[0]),
            scope: "gradient".to_owned(),
        };
        if is_valid(graph, &node) {
            group.iter().for_each(|&at| joined[at] = at != last);
            nodes[last] = node;
        }
    }
    let kept = nodes.into_iter().zip(joined).filter(|(_, joined)| !joined);
    kept.map(|(node, _)| node).collect()
}

/// Whether a value is read by nodes that put tensors side by side, and by no others.
fn is_packed(nodes: &[Node], value: Value) -> bool {
    let mut readers = nodes.iter().filter(|node| node.inputs.contains(&value));
    readers.all(|node| matches!(node.op.structure(), Structure::Pack { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::compile;
    use crate::ops::{MaxPool2dGrad, Pack};
    use crate::tensor::TensorType;

    /// The titles of a program's steps.
    fn titles(graph: &Graph) -> Vec<String> {
        let program = compile("sums", graph, &Caps::webgpu_default(), &|_, _, _| 0);
        program.expect("it fits").steps.iter().map(|step| step.op.title()).collect()
    }

    #[test]
    fn sums_that_are_packed_become_one() {
        let mut graph = Graph::default();
        let sums: Vec<Value> = [("a", [128, 10]), ("b", [128, 64]), ("c", [300, 7])]
            .into_iter()
            .map(|(name, dims)| {
                let x = graph.source(name, TensorType::f32(dims));
                graph.push(SumRows {}, &[x]).expect("shapes fit")
            })
            .collect();
        let pack = Pack { offsets: vec![0, 64, 128], elements: 192 };
        let packed = graph.push(pack, &sums).expect("they fit");
        let total = graph.push(crate::ops::Reduce::SUM, &[packed]).expect("shapes fit");
        graph.output("total", total);
        assert_eq!(titles(&graph), ["sums_of_rows", "reduce"]);
        // One that something else reads stays by itself.
        let other = graph.push(crate::ops::Scale::NEGATE, &[sums[1]]).expect("shapes fit");
        graph.output("other", other);
        assert_eq!(titles(&graph), ["sum_rows", "sums_of_rows", "reduce", "scale"]);
    }

    #[test]
    fn selections_are_summed_where_they_are_small() {
        let mut graph = Graph::default();
        let index = graph.source("index", TensorType::u32([2, 4, 4, 3]));
        let dy = graph.source("dy", TensorType::f32([2, 4, 4, 3]));
        let geometry = crate::ops::PoolGeometry::non_overlapping([2, 2]);
        let grad = MaxPool2dGrad { geometry, input: [8, 8] };
        let dx = graph.push(grad, &[index, dy]).expect("shapes fit");
        let sum = graph.push(SumRows {}, &[dx]).expect("shapes fit");
        graph.output("sum", sum);
        let nodes = sum_selections(&graph, graph.nodes().to_vec());
        assert_eq!(nodes[1].inputs, [dy]);
    }
}
