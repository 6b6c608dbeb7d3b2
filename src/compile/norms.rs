//! Takes batch norms apart where their parts fit the ops around them: a product in front collects the
//! statistics of what it writes, and a pooling behind normalizes what it reads.

use std::sync::Arc;

use super::flow::Flow;
use super::fuse::is_valid;
use crate::graph::{Graph, Node, Op};
use crate::ops::{BatchNorm, BatchNormInference, BatchNormMaxPool2d, ProductStatistics};

/// Takes apart what can be, and joins the parts with products and poolings.
pub(super) fn split_norms(graph: &Graph, mut nodes: Vec<Node>) -> Vec<Node> {
    let mut flow = Flow::of(graph, &nodes);
    for at in 0..nodes.len() {
        if let Some((producer, [product, norm])) = with_product(graph, &nodes, &flow, at) {
            nodes[producer] = product;
            nodes[at] = norm;
            flow = Flow::of(graph, &nodes);
        }
    }
    let mut at = 0;
    while at < nodes.len() {
        if let Some((norm, pooling)) = with_pooling(graph, &nodes, &flow, at) {
            nodes[at] = pooling;
            nodes.remove(norm);
            flow = Flow::of(graph, &nodes);
        } else {
            at += 1;
        }
    }
    nodes
}

/// The batch norm at position `at`, where a product makes what it normalizes: the position of the
/// product, and what becomes of both.
fn with_product(
    graph: &Graph,
    nodes: &[Node],
    flow: &Flow,
    at: usize,
) -> Option<(usize, [Node; 2])> {
    let node = &nodes[at];
    let &BatchNorm { epsilon, tail } = node.op.downcast_ref()?;
    let (&[y, mean, variance], [x, gamma, beta, residual @ ..]) =
        (&node.outputs[..], &node.inputs[..])
    else {
        return None;
    };
    let (from, producer) = flow.producer(nodes, *x)?;
    if producer.outputs != [*x] {
        return None;
    }
    let op: Arc<dyn Op> = Arc::new(ProductStatistics::of(producer.op.as_ref())?);
    let product = Node { op, outputs: vec![*x, mean, variance], ..producer.clone() };
    let op: Arc<dyn Op> = Arc::new(BatchNormInference { epsilon, tail });
    let inputs = [*x, *gamma, *beta, mean, variance].iter().chain(residual).copied().collect();
    let norm = Node { op, inputs, outputs: vec![y], ..node.clone() };
    let both = [product, norm];
    both.iter().all(|node| is_valid(graph, node)).then_some((from, both))
}

/// The pooling at position `at`, where a normalization makes what only it reads: the position of the
/// normalization, and what becomes of both.
fn with_pooling(graph: &Graph, nodes: &[Node], flow: &Flow, at: usize) -> Option<(usize, Node)> {
    let node = &nodes[at];
    let &[x] = &node.inputs[..] else { return None };
    let (from, producer) = flow.producer(nodes, x)?;
    if !flow.is_read_once(x) {
        return None;
    }
    let op = BatchNormMaxPool2d::of(producer.op.as_ref(), node.op.as_ref())?;
    let (op, inputs) = (Arc::new(op), producer.inputs.clone());
    let pooling = Node { op, inputs, outputs: node.outputs.clone(), scope: producer.scope.clone() };
    is_valid(graph, &pooling).then_some((from, pooling))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Activation, Value};
    use crate::ops::{Conv2d, MaxPool2d, NormTail, PoolGeometry};
    use crate::tensor::TensorType;

    /// The graph of a convolution, a batch norm and a pooling, with what the first two give.
    fn network(activation: Activation) -> (Graph, [Value; 2]) {
        let mut graph = Graph::default();
        let x = graph.source("x", TensorType::f32([2, 6, 6, 3]));
        let w = graph.source("w", TensorType::f32([1, 1, 3, 4]));
        let [gamma, beta] = ["gamma", "beta"].map(|name| graph.source(name, TensorType::f32([4])));
        let conv = graph.push(Conv2d::default(), &[x, w]).expect("shapes fit");
        let op = BatchNorm { epsilon: 1e-5, tail: NormTail { residual: false, activation } };
        let [norm, ..] = graph.push_multi::<3>(op, &[conv, gamma, beta]).expect("shapes fit");
        let geometry = PoolGeometry::non_overlapping([2, 2]);
        let [y, _] = graph.push_multi(MaxPool2d { geometry }, &[norm]).expect("shapes fit");
        graph.output("y", y);
        (graph, [conv, norm])
    }

    fn names(graph: &Graph) -> Vec<&'static str> {
        let nodes = split_norms(graph, graph.nodes().to_vec());
        nodes.iter().map(|node| node.op.name()).collect()
    }

    #[test]
    fn a_norm_between_a_product_and_a_pooling_disappears() {
        let (mut graph, [conv, norm]) = network(Activation::Relu);
        assert_eq!(names(&graph), ["product_statistics", "batch_norm_max_pool2d"]);
        // The gradient reads what the convolution gives.
        graph.output("conv", conv);
        assert_eq!(names(&graph), ["product_statistics", "batch_norm_max_pool2d"]);
        graph.output("norm", norm);
        let apart = ["product_statistics", "batch_norm_inference", "max_pool2d"];
        assert_eq!(names(&graph), apart);
        // The largest value need not come from the largest argument.
        assert_eq!(names(&network(Activation::Gelu).0), apart);
    }

    /// Only products make statistics.
    #[test]
    fn other_norms_stay_whole() {
        let mut graph = Graph::default();
        let x = graph.source("x", TensorType::f32([2, 6, 6, 4]));
        let [gamma, beta] = ["gamma", "beta"].map(|name| graph.source(name, TensorType::f32([4])));
        let geometry = PoolGeometry::non_overlapping([2, 2]);
        let [pooled, _] = graph.push_multi(MaxPool2d { geometry }, &[x]).expect("shapes fit");
        let op = BatchNorm { epsilon: 1e-5, tail: NormTail::default() };
        let [y, ..] = graph.push_multi::<3>(op, &[pooled, gamma, beta]).expect("shapes fit");
        graph.output("y", y);
        assert_eq!(names(&graph), ["max_pool2d", "batch_norm"]);
    }
}
