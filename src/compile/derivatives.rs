//! Moves derivatives of activation functions past ops that only place elements, toward the op that
//! made the gradient: there they are often an epilogue, and behind a pooling they are smaller.
//!
//! Where a pooling selects maxima of what a function gave, each of them is a value of the function
//! at the place that its gradient goes to. So the gradient can be multiplied by the derivative
//! there before it is handed on: a quarter of the elements for windows of 2 x 2, and the function's
//! whole result need not be kept for it. Each element is the product of the same two numbers as
//! before, up to the sign of zeros; where windows overlap, their terms are multiplied one by one
//! instead of their sum.

use std::sync::Arc;

use super::flow::{Flow, is_reshape};
use crate::graph::{Epilogue, Graph, Node, Op, Value};
use crate::ops::View;

/// Moves derivatives as far as they go. The graph gets the values in between.
pub(super) fn move_derivatives(graph: &mut Graph, mut nodes: Vec<Node>) -> Vec<Node> {
    loop {
        let flow = Flow::of(graph, &nodes);
        let next = (0..nodes.len()).find_map(|at| move_one(graph, &nodes, &flow, at));
        let Some(Moved { placing, derivative, new }) = next else { return nodes };
        nodes.splice(derivative..=derivative, new);
        nodes.remove(placing);
    }
}

/// A derivative that changes places with the op that makes its gradient.
struct Moved {
    /// Position of that op.
    placing: usize,
    /// Position of the derivative.
    derivative: usize,
    /// What stands there afterwards.
    new: Vec<Node>,
}

/// Moves the node at position `at`, where it is a derivative behind an op that only places elements.
fn move_one(graph: &mut Graph, nodes: &[Node], flow: &Flow, at: usize) -> Option<Moved> {
    let node = &nodes[at];
    let position = node.op.as_epilogues().into_iter().find_map(|(position, epilogue)| {
        matches!(epilogue, Epilogue::Derivative(_)).then_some(position)
    })?;
    let (&dy, &value) = (node.inputs.get(position)?, node.inputs.get(1 - position.min(1))?);
    let (placing, producer) = flow.producer(nodes, dy)?;
    if !flow.is_read_once(dy) || producer.outputs != [dy] {
        return None;
    }
    let first_new = graph.nodes().len();
    graph.set_scope(node.scope.clone());
    // What is placed is the last input of either op.
    let (&source, others) = producer.inputs.split_last()?;
    let value = if producer.op.scatters_selection() {
        selected(nodes, flow, *others.first()?, value)?
    } else if is_reshape(graph, producer) {
        let view: Arc<dyn Op> = Arc::new(View::reshape(graph.ty(source).shape.clone()));
        graph.push_node(view, &[value]).ok()?[0]
    } else {
        return None;
    };
    if graph.ty(value) != graph.ty(source) {
        return None;
    }
    let mut inputs = [value; 2];
    inputs[position] = source;
    let made = graph.push_node(node.op.clone(), &inputs).ok()?[0];
    let mut new = graph.nodes()[first_new..].to_vec();
    let inputs = others.iter().copied().chain([made]).collect();
    new.push(Node { inputs, outputs: node.outputs.clone(), ..producer.clone() });
    Some(Moved { placing, derivative: at, new })
}

/// The selected elements of `value`, where `selection` says which ones they are.
fn selected(nodes: &[Node], flow: &Flow, selection: Value, value: Value) -> Option<Value> {
    let (_, node) = flow.producer(nodes, selection)?;
    let is_of_value = node.inputs.first() == Some(&value);
    node.outputs.first().copied().filter(|_| is_of_value && node.outputs[1..] == [selection])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Activation;
    use crate::ops::{Activate, ActivateGrad, MaxPool2d, MaxPool2dGrad, PoolGeometry};
    use crate::tensor::TensorType;

    const GEOMETRY: PoolGeometry = PoolGeometry::non_overlapping([2, 2]);

    /// A pooled function with the gradient of its flattened result, whose derivative takes the
    /// place behind it that `value` names.
    fn nodes(function: Activation, of: fn(x: Value, y: Value) -> Value) -> (Graph, Vec<Node>) {
        let mut graph = Graph::default();
        let x = graph.source("x", TensorType::f32([2, 4, 6, 3]));
        let dy = graph.source("dy", TensorType::f32([2, 18]));
        let mut push =
            |op: Arc<dyn Op>, inputs: &[Value]| graph.push_node(op, inputs).expect("shapes fit");
        let y = push(Arc::new(Activate { function }), &[x])[0];
        let pooled = push(Arc::new(MaxPool2d { geometry: GEOMETRY }), &[y]);
        let dy = push(Arc::new(View::reshape([2, 2, 3, 3])), &[dy])[0];
        let grad = MaxPool2dGrad { geometry: GEOMETRY, input: [4, 6] };
        let dy = push(Arc::new(grad), &[pooled[1], dy])[0];
        let dx = push(Arc::new(ActivateGrad { function }), &[of(x, y), dy])[0];
        graph.output("dx", dx);
        let nodes = graph.nodes().to_vec();
        let moved = move_derivatives(&mut graph, nodes);
        (graph, moved)
    }

    #[test]
    fn a_derivative_moves_before_the_pooling_and_the_reshape() {
        let (graph, nodes) = nodes(Activation::Relu, |_, y| y);
        let names: Vec<&str> = nodes.iter().map(|node| node.op.name()).collect();
        let expected =
            ["activate", "max_pool2d", "view", "activate_grad", "view", "max_pool2d_grad"];
        assert_eq!(names, expected);
        let derivative = &nodes[3];
        assert_eq!(derivative.inputs[0], nodes[2].outputs[0], "the pooled values, flattened");
        assert_eq!(nodes[2].inputs, nodes[1].outputs[..1]);
        assert_eq!(graph.ty(derivative.outputs[0]), &TensorType::f32([2, 18]));
        assert_eq!(nodes[5].outputs[0], graph.outputs()[0].1);
    }

    /// A derivative that needs the function's input, and one of another value than was pooled.
    #[test]
    fn other_derivatives_stay() {
        for (function, of) in [
            (Activation::Gelu, (|x, _| x) as fn(Value, Value) -> Value),
            (Activation::Relu, |x, _| x),
        ] {
            let (_, nodes) = nodes(function, of);
            assert_eq!(nodes.last().map(|node| node.op.name()), Some("activate_grad"));
        }
    }
}
