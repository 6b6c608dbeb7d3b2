//! Joins element-wise ops: where one makes what only another one reads, both become one pass.

use std::sync::Arc;

use super::flow::Flow;
use super::fuse::is_valid;
use crate::graph::{Graph, Node, Value};
use crate::ops::ElementwiseChain;

/// Joins producers and consumers until nothing is left to join.
pub(super) fn join_chains(graph: &Graph, mut nodes: Vec<Node>) -> Vec<Node> {
    // What chains can hold is asked of each node once.
    let mut chains: Vec<Option<ElementwiseChain>> =
        nodes.iter().map(|node| ElementwiseChain::of(node.op.as_ref())).collect();
    loop {
        let flow = Flow::of(graph, &nodes);
        let next = (0..nodes.len()).find_map(|at| join_one(graph, &nodes, &chains, &flow, at));
        let Some((producer, consumer, chain, node)) = next else { return nodes };
        (nodes[consumer], chains[consumer]) = (node, Some(chain));
        nodes.remove(producer);
        chains.remove(producer);
    }
}

/// The node at position `at` with one of those that make its inputs: their positions, and what
/// becomes of them.
fn join_one(
    graph: &Graph,
    nodes: &[Node],
    chains: &[Option<ElementwiseChain>],
    flow: &Flow,
    at: usize,
) -> Option<(usize, usize, ElementwiseChain, Node)> {
    let (node, chain) = (&nodes[at], chains[at].as_ref()?);
    node.inputs.iter().enumerate().find_map(|(position, &between)| {
        let (from, producer) = flow.producer(nodes, between)?;
        if !flow.is_read_once(between) || producer.outputs != [between] {
            return None;
        }
        let (joined, order) = chains[from].as_ref()?.then(chain, position)?;
        let others = node.inputs.iter().enumerate().filter(|&(i, _)| i != position);
        let all: Vec<Value> =
            producer.inputs.iter().chain(others.map(|(_, value)| value)).copied().collect();
        let inputs = order.iter().map(|&input| all[input]).collect();
        let op = Arc::new(joined.clone());
        let (outputs, scope) = (node.outputs.clone(), producer.scope.clone());
        let joint = Node { op, inputs, outputs, scope };
        is_valid(graph, &joint).then_some((from, at, joined, joint))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::compile;
    use crate::graph::{Activation, Caps};
    use crate::ops::{Activate, ActivateGrad, Binary, ClipByValue, Dropout, Scale, SumRows};
    use crate::tensor::{DType, TensorType};

    fn source(graph: &mut Graph, name: &str, ty: TensorType) -> Value {
        graph.source(name, ty)
    }

    /// Titles of what is left.
    fn joined(graph: &Graph) -> Vec<String> {
        let nodes = join_chains(graph, graph.nodes().to_vec());
        nodes.iter().map(|node| node.op.title()).collect()
    }

    /// The gradient of a dropped activation, in 32 and in 16 bits.
    #[test]
    fn a_mask_and_a_derivative_become_one() {
        for dtype in [DType::F32, DType::F16] {
            let mut graph = Graph::default();
            let ty = TensorType::new(dtype, [4, 8]);
            let [dy, value] = ["dy", "value"].map(|name| source(&mut graph, name, ty.clone()));
            let step = source(&mut graph, "step", TensorType::u32([1]));
            let dropout = Dropout { rate: 0.5, seed: 1, stream: 0 };
            let masked = graph.push(dropout, &[dy, step]).expect("shapes fit");
            let derivative = ActivateGrad { function: Activation::Relu };
            let dx = graph.push(derivative, &[value, masked]).expect("shapes fit");
            graph.output("dx", dx);
            let nodes = join_chains(&graph, graph.nodes().to_vec());
            assert_eq!(nodes.len(), 1, "{dtype}");
            assert_eq!(nodes[0].inputs, [dy, value, step]);
            assert_eq!(nodes[0].op.title(), "dropout+activate_grad");
        }
    }

    /// A tree: both terms of a sum are computed in its pass, and a bias comes after activations.
    #[test]
    fn trees_become_one() {
        let mut graph = Graph::default();
        let ty = TensorType::f32([4, 8]);
        let [a, b] = ["a", "b"].map(|name| source(&mut graph, name, ty.clone()));
        let bias = source(&mut graph, "bias", TensorType::f32([8]));
        let left = graph.push(Binary::BIAS, &[a, bias]).expect("shapes fit");
        let right = graph.push(Scale { factor: 2.0 }, &[b]).expect("shapes fit");
        let sum = graph.push(Binary::ADD, &[left, right]).expect("shapes fit");
        let relu = Activate { function: Activation::Relu };
        let y = graph.push(relu, &[sum]).expect("shapes fit");
        graph.output("y", y);
        let nodes = join_chains(&graph, graph.nodes().to_vec());
        assert_eq!(nodes.len(), 1);
        assert_eq!(nodes[0].inputs, [b, a, bias]);
    }

    /// What reads a state before its update stays apart from what reads it afterwards.
    #[test]
    fn updates_in_between_keep_ops_apart() {
        let mut graph = Graph::default();
        let state = source(&mut graph, "state", TensorType::f32([8]));
        let before = graph.push(Scale::NEGATE, &[state]).expect("shapes fit");
        let after = graph.push(ClipByValue { limit: 1.0 }, &[state]).expect("shapes fit");
        let change = graph.push(Binary::ADD, &[before, after]).expect("shapes fit");
        graph.output("change", change);
        assert_eq!(joined(&graph), ["clip_by_value", "scale+binary"]);
        let caps = Caps::webgpu_default();
        let program = compile("update", &graph, &caps, &|_, _, _| 0).expect("it has an order");
        assert_eq!(program.steps.len(), 3);
    }

    /// Values that others read, ops of other kinds, and a second activation function.
    #[test]
    fn others_stay() {
        let ty = TensorType::f32([4, 8]);
        let relu = || Activate { function: Activation::Relu };
        let mut graph = Graph::default();
        let x = source(&mut graph, "x", ty);
        let scaled = graph.push(Scale::NEGATE, &[x]).expect("shapes fit");
        let y = graph.push(relu(), &[scaled]).expect("shapes fit");
        let tanh = graph.push(Activate { function: Activation::Tanh }, &[y]).expect("shapes fit");
        let sums = graph.push(SumRows {}, &[tanh]).expect("shapes fit");
        let last = graph.push(relu(), &[sums]).expect("shapes fit");
        graph.output("last", last);
        let expected = ["scale+activate", "activate", "sum_rows", "activate"];
        assert_eq!(joined(&graph), expected);
        graph.output("scaled", scaled);
        assert_eq!(joined(&graph).len(), 5);
    }
}
