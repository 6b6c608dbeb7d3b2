//! The order of execution: every reader after its writer, and every in-place update after all
//! readers of the content it replaces.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::CompileError;
use super::storage::Storage;
use crate::graph::{Graph, Node};

/// Positions of `nodes` in the order in which they run. Among nodes that are ready, the one that
/// was added to the graph first goes first.
pub(super) fn order(
    graph: &Graph,
    nodes: &[Node],
    storage: &Storage,
) -> Result<Vec<usize>, CompileError> {
    let mut producer = vec![None; graph.value_count()];
    for (index, node) in nodes.iter().enumerate() {
        for output in &node.outputs {
            producer[output.index()] = Some(index);
        }
    }
    let mut successors: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    let mut waiting = vec![0_usize; nodes.len()];
    let mut edge = |before: usize, after: usize| {
        successors[before].push(after);
        waiting[after] += 1;
    };
    for (index, node) in nodes.iter().enumerate() {
        // Read after write.
        for input in &node.inputs {
            if let Some(before) = producer[input.index()] {
                edge(before, index);
            }
        }
        // Write after read, and write after write: whoever touches the old content goes first.
        for &(output, _) in node.op.aliases() {
            let new = storage.place(node.outputs[output]);
            let rival = nodes.iter().enumerate().find(|(other_index, other)| {
                *other_index != index
                    && other
                        .op
                        .aliases()
                        .iter()
                        .any(|&(o, _)| storage.place(other.outputs[o]) == new)
            });
            if rival.is_some() {
                return Err(cycle(node));
            }
            for (other_index, other) in nodes.iter().enumerate() {
                let touches_old = |v: &crate::graph::Value| {
                    let place = storage.place(*v);
                    place.root == new.root && place.version < new.version
                };
                let touches = other.inputs.iter().chain(&other.outputs).any(touches_old);
                if other_index != index && touches {
                    edge(other_index, index);
                }
            }
        }
    }
    let mut ready: BinaryHeap<Reverse<usize>> =
        (0..nodes.len()).filter(|&i| waiting[i] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(Reverse(index)) = ready.pop() {
        order.push(index);
        for &next in &successors[index] {
            waiting[next] -= 1;
            if waiting[next] == 0 {
                ready.push(Reverse(next));
            }
        }
    }
    match waiting.iter().position(|&n| n > 0) {
        None => Ok(order),
        Some(_) => {
            let stuck = nodes
                .iter()
                .zip(&waiting)
                .find(|(node, waiting)| **waiting > 0 && !node.op.aliases().is_empty())
                .map_or(&nodes[0], |(node, _)| node);
            Err(cycle(stuck))
        }
    }
}

fn cycle(node: &Node) -> CompileError {
    CompileError::Cycle { scope: node.scope.clone(), op: node.op.title() }
}
