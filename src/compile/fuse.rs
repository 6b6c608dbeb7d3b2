//! Removes dead nodes and fuses element-wise tails into the ops that make their input.

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
        let uses = count_uses(graph, &nodes);
        let Some((producer, consumer, fused)) = find_fusion(&nodes, &uses) else { return nodes };
        nodes[consumer] = fused;
        nodes.remove(producer);
    }
}

/// How often each value is read; outputs of the graph count as read once more.
fn count_uses(graph: &Graph, nodes: &[Node]) -> Vec<usize> {
    let mut uses = vec![0; graph.value_count()];
    let kept = graph.outputs().iter().map(|(_, value)| value);
    for value in nodes.iter().flat_map(|node| &node.inputs).chain(kept) {
        uses[value.index()] += 1;
    }
    uses
}

/// The first pair that can be fused: positions of producer and consumer, and the fused node.
fn find_fusion(nodes: &[Node], uses: &[usize]) -> Option<(usize, usize, Node)> {
    nodes.iter().enumerate().find_map(|(consumer_index, consumer)| {
        let epilogue = consumer.op.as_epilogue()?;
        let (&between, extra) = consumer.inputs.split_first()?;
        let (producer_index, producer) = producer_of(&nodes[..consumer_index], between)?;
        // Further outputs of the producer stay; only the first one can be what is transformed.
        if uses[between.index()] != 1 || producer.outputs.first() != Some(&between) {
            return None;
        }
        let op = producer.op.fuse(epilogue)?;
        let inputs: Vec<Value> = producer.inputs.iter().chain(extra).copied().collect();
        let outputs = consumer.outputs.iter().chain(&producer.outputs[1..]).copied().collect();
        let fused = Node { op, inputs, outputs, scope: producer.scope.clone() };
        Some((producer_index, consumer_index, fused))
    })
}

fn producer_of(nodes: &[Node], value: Value) -> Option<(usize, &Node)> {
    nodes.iter().enumerate().rev().find(|(_, node)| node.outputs.contains(&value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Activation;
    use crate::ops::{Activate, BatchNorm, Binary, NormTail};
    use crate::tensor::TensorType;

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
