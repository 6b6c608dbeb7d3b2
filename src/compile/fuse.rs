//! Removes dead nodes and fuses element-wise tails into the ops that make their input.

use super::flow::Flow;
use crate::graph::{Graph, Node, Value};

/// The nodes that matter, in order: those whose results are read, kept as outputs, or that update
/// something in place.
pub(super) fn live_nodes(graph: &Graph, nodes: Vec<Node>) -> Vec<Node> {
    let mut needed = vec![false; graph.value_count()];
    for (_, value) in graph.outputs() {
        needed[value.index()] = true;
    }
    let mut live: Vec<Node> = Vec::with_capacity(nodes.len());
    for node in nodes.into_iter().rev() {
        let used = node.outputs.iter().any(|v| needed[v.index()]);
        if used || !node.op.aliases().is_empty() {
            for input in &node.inputs {
                needed[input.index()] = true;
            }
            live.push(node);
        }
    }
    live.reverse();
    live
}

/// Merges `consumer(producer(...), extra...)` into one node wherever the producer's op can take the
/// consumer as an epilogue and nothing else reads the value between them.
pub(super) fn fuse_epilogues(graph: &Graph, mut nodes: Vec<Node>) -> Vec<Node> {
    loop {
        let flow = Flow::of(graph, &nodes);
        let Some((producer, consumer, fused)) = find_fusion(graph, &nodes, &flow) else {
            return nodes;
        };
        nodes[consumer] = fused;
        nodes.remove(producer);
    }
}

/// The first pair that can be fused: positions of producer and consumer, and the fused node.
fn find_fusion(graph: &Graph, nodes: &[Node], flow: &Flow) -> Option<(usize, usize, Node)> {
    nodes.iter().enumerate().find_map(|(consumer_index, consumer)| {
        consumer.op.as_epilogues().into_iter().find_map(|(position, epilogue)| {
            let between = *consumer.inputs.get(position)?;
            let (producer_index, producer) = flow.producer(nodes, between)?;
            // Further outputs of the producer stay; only the first one can be what is transformed.
            if !flow.is_read_once(between) || producer.outputs.first() != Some(&between) {
                return None;
            }
            let op = producer.op.fuse(epilogue)?;
            let others = consumer.inputs.iter().enumerate().filter(|&(i, _)| i != position);
            let others = others.map(|(_, value)| value);
            let inputs: Vec<Value> = producer.inputs.iter().chain(others).copied().collect();
            let outputs = consumer.outputs.iter().chain(&producer.outputs[1..]).copied().collect();
            let fused = Node { op, inputs, outputs, scope: producer.scope.clone() };
            is_valid(graph, &fused).then_some((producer_index, consumer_index, fused))
        })
    })
}

/// Whether the op takes these inputs and makes these outputs: a term that is repeated to the shape
/// of the sum, for one, cannot be fused.
pub(super) fn is_valid(graph: &Graph, node: &Node) -> bool {
    let types = |values: &[Value]| values.iter().map(|&v| graph.ty(v).clone()).collect::<Vec<_>>();
    node.op.infer(&types(&node.inputs)).is_ok_and(|outputs| outputs == types(&node.outputs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Activation;
    use crate::ops::{
        Activate, ActivateGrad, BatchNorm, Binary, Conv2d, Conv2dInputGrad, ConvGeometry, Matmul,
        NormTail,
    };
    use crate::tensor::{DType, TensorType};

    /// `relu(norm(x) + skip)` becomes one node, which keeps the statistics that others read.
    #[test]
    fn a_residual_and_an_activation_move_into_the_norm() {
        let mut graph = Graph::default();
        let [x, skip] = ["x", "skip"].map(|name| graph.source(name, TensorType::f32([4, 8])));
        let [gamma, beta] = ["gamma", "beta"].map(|name| graph.source(name, TensorType::f32([8])));
        let op = BatchNorm { epsilon: 1e-5, tail: NormTail::default() };
        let [norm, mean, variance] = graph.push_multi(op, &[x, gamma, beta]).expect("shapes fit");
        let sum = graph.push(Binary::ADD, &[norm, skip]).expect("shapes fit");
        let relu = Activate { function: Activation::Relu };
        let y = graph.push(relu, &[sum]).expect("shapes fit");
        graph.output("y", y);
        graph.output("mean", mean);
        let fused = fuse_epilogues(&graph, live_nodes(&graph, graph.nodes().to_vec()));
        assert_eq!(fused.len(), 1);
        assert_eq!(fused[0].inputs, [x, gamma, beta, skip]);
        assert_eq!(fused[0].outputs, [y, mean, variance]);
        let tail = &fused[0].op.attributes()["tail"];
        assert_eq!(tail, &serde_json::json!({ "residual": true, "activation": "relu" }));
    }

    /// `relu(skip + conv(x) + bias)`, with the sum written either way round.
    #[test]
    fn a_residual_moves_into_the_convolution() {
        for swapped in [false, true] {
            let mut graph = Graph::default();
            let [x, skip] =
                ["x", "skip"].map(|name| graph.source(name, TensorType::f32([1, 4, 4, 8])));
            let w = graph.source("w", TensorType::f32([1, 1, 8, 8]));
            let bias = graph.source("bias", TensorType::f32([8]));
            let conv = Conv2d::new(ConvGeometry::default());
            let conv = graph.push(conv, &[x, w]).expect("shapes fit");
            let conv = graph.push(Binary::BIAS, &[conv, bias]).expect("shapes fit");
            let terms = if swapped { [skip, conv] } else { [conv, skip] };
            let sum = graph.push(Binary::ADD, &terms).expect("shapes fit");
            let relu = Activate { function: Activation::Relu };
            let y = graph.push(relu, &[sum]).expect("shapes fit");
            graph.output("y", y);
            let fused = fuse_epilogues(&graph, graph.nodes().to_vec());
            assert_eq!(fused.len(), 1);
            assert_eq!(fused[0].inputs, [x, w, bias, skip]);
            let attributes = fused[0].op.attributes();
            assert_eq!([&attributes["bias"], &attributes["residual"]], [true, true]);
            assert_eq!(attributes["activation"], "relu");
        }
    }

    /// The gradient that reaches the activation before a convolution: the gradients of both users
    /// of its value are summed and multiplied by its derivative where the convolution's is made. In
    /// 16 bits, parameters are of 32.
    #[test]
    fn a_gradient_tail_moves_into_the_input_gradient() {
        for dtype in [DType::F32, DType::F16] {
            let mut graph = Graph::default();
            let ty = TensorType::new(dtype, [1, 4, 4, 8]);
            let [dz, value, skip] =
                ["dz", "value", "skip"].map(|name| graph.source(name, ty.clone()));
            let w = graph.source("w", TensorType::f32([1, 1, 8, 8]));
            let op = Conv2dInputGrad::new(ConvGeometry::default(), [4, 4]);
            let dx = graph.push(op, &[dz, w]).expect("shapes fit");
            let sum = graph.push(Binary::ADD, &[skip, dx]).expect("shapes fit");
            let derivative = ActivateGrad { function: Activation::Relu };
            let y = graph.push(derivative, &[value, sum]).expect("shapes fit");
            graph.output("y", y);
            let fused = fuse_epilogues(&graph, graph.nodes().to_vec());
            assert_eq!(fused.len(), 1, "{dtype}");
            assert_eq!(fused[0].inputs, [dz, w, skip, value]);
            assert_eq!(fused[0].op.attributes()["derivative"], "relu");
        }
    }

    /// A term that is repeated to the shape of the sum is no residual, and a function whose
    /// derivative needs its input stays: nothing is fused.
    #[test]
    fn tails_of_another_kind_stay() {
        let mut graph = Graph::default();
        let [a, b] = ["a", "b"].map(|name| graph.source(name, TensorType::f32([4, 4])));
        let one = graph.source("one", TensorType::f32([1]));
        let product = graph.push(Matmul::default(), &[a, b]).expect("shapes fit");
        let sum = graph.push(Binary::ADD, &[product, one]).expect("shapes fit");
        let other = graph.push(Matmul::default(), &[b, a]).expect("shapes fit");
        let gelu = ActivateGrad { function: Activation::Gelu };
        let gradient = graph.push(gelu, &[a, other]).expect("shapes fit");
        graph.output("sum", sum);
        graph.output("gradient", gradient);
        assert_eq!(fuse_epilogues(&graph, graph.nodes().to_vec()).len(), 4);
    }

    /// What is read between two ops must exist: nothing is fused.
    #[test]
    fn values_that_others_read_stay() {
        let mut graph = Graph::default();
        let x = graph.source("x", TensorType::f32([4, 8]));
        let [gamma, beta] = ["gamma", "beta"].map(|name| graph.source(name, TensorType::f32([8])));
        let op = BatchNorm { epsilon: 1e-5, tail: NormTail::default() };
        let [norm, ..] = graph.push_multi::<3>(op, &[x, gamma, beta]).expect("shapes fit");
        let relu = Activate { function: Activation::Relu };
        let y = graph.push(relu, &[norm]).expect("shapes fit");
        graph.output("y", y);
        graph.output("norm", norm);
        assert_eq!(fuse_epilogues(&graph, graph.nodes().to_vec()).len(), 2);
    }
}
