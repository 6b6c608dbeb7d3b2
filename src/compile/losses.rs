//! Losses with the gradient of their mean: where a residual is only read to be multiplied by the
//! shares that its rows have in the mean, the loss writes the product itself.

use std::sync::Arc;

use super::flow::{Flow, is_reshape};
use super::fuse::is_valid;
use crate::graph::{Graph, Node, Origin, Value};
use crate::ops::{
    Binary, BinaryFunction, Full, MaskedMeanGrad, MeanCrossEntropy, SoftmaxCrossEntropy,
};

/// Merges losses and what their residuals are multiplied by, until nothing is left to merge.
pub(super) fn merge_losses(graph: &Graph, mut nodes: Vec<Node>) -> Vec<Node> {
    while let Some(merged) = merge_one(graph, &nodes) {
        nodes = super::fuse::live_nodes(graph, merged);
    }
    nodes
}

/// `nodes` with one product less.
fn merge_one(graph: &Graph, nodes: &[Node]) -> Option<Vec<Node>> {
    let flow = Flow::of(graph, nodes);
    nodes.iter().enumerate().find_map(|(at, product)| {
        let binary = product.op.downcast_ref::<Binary>()?;
        let (&[residual, shares], &[gradient]) = (&product.inputs[..], &product.outputs[..]) else {
            return None;
        };
        if binary.function != BinaryFunction::Multiply {
            return None;
        }
        let shares = behind_reshapes(graph, nodes, &flow, shares);
        let (_, share) = flow.producer(nodes, shares)?;
        let is_one = |node: &Node| node.op.downcast_ref::<Full>().is_some_and(|f| f.value == 1.0);
        let is_same = graph.ty(residual) == graph.ty(gradient);
        if is_one(share) && is_same && !is_output(graph, gradient) {
            return Some(without(nodes, at, gradient, residual));
        }
        share.op.downcast_ref::<MaskedMeanGrad>()?;
        let &[labels, seed] = &share.inputs[..] else { return None };
        let (from, loss) = flow.producer(nodes, residual)?;
        let losses = loss.op.downcast_ref::<SoftmaxCrossEntropy>()?.clone();
        let mut inputs = vec![loss.inputs[0], labels];
        match flow.producer(nodes, seed) {
            Some((_, seed)) if is_one(seed) => {}
            None if matches!(graph.origin(seed), Origin::Source(_)) => inputs.push(seed),
            _ => return None,
        }
        let fits = loss.inputs[1] == labels && loss.outputs[1] == residual;
        if !fits || !flow.is_read_once(residual) {
            return None;
        }
        let op = Arc::new(MeanCrossEntropy { losses });
        let outputs = vec![loss.outputs[0], gradient];
        let merged = Node { op, inputs, outputs, scope: loss.scope.clone() };
        if !is_valid(graph, &merged) {
            return None;
        }
        let mut nodes = nodes.to_vec();
        nodes[from] = merged;
        nodes.remove(at);
        Some(nodes)
    })
}

/// The value that `value` gives another shape.
fn behind_reshapes(graph: &Graph, nodes: &[Node], flow: &Flow, mut value: Value) -> Value {
    while let Some((_, node)) = flow.producer(nodes, value) {
        if !is_reshape(graph, node) {
            break;
        }
        value = node.inputs[0];
    }
    value
}

fn is_output(graph: &Graph, value: Value) -> bool {
    graph.outputs().iter().any(|&(_, output)| output == value)
}

/// `nodes` without the one at a position, whose output is `instead` in its readers.
fn without(nodes: &[Node], at: usize, output: Value, instead: Value) -> Vec<Node> {
    let mut nodes = nodes.to_vec();
    nodes.remove(at);
    for input in nodes.iter_mut().flat_map(|node| &mut node.inputs) {
        if *input == output {
            *input = instead;
        }
    }
    nodes
}
