//! What an op's gradient rule sees: its operands, the gradients of its outputs, and the graph.

use super::{Graph, NodeId, Op, Value};
use crate::error::ShapeError;
use crate::tensor::{DType, TensorType};

/// The gradient rule of one node, while it is applied: vector-Jacobian products as ops.
#[derive(Debug)]
pub struct Vjp<'g> {
    graph: &'g mut Graph,
    inputs: Vec<Value>,
    outputs: Vec<Value>,
    cotangents: Vec<Option<Value>>,
    wanted: Vec<bool>,
    gradients: Vec<Option<Value>>,
}

impl<'g> Vjp<'g> {
    /// Starts the rule of `node`. `cotangents` are the gradients of the loss with respect to its
    /// outputs, where the loss depends on them; `wanted` says which inputs need a gradient.
    pub fn new(
        graph: &'g mut Graph,
        node: NodeId,
        cotangents: Vec<Option<Value>>,
        wanted: Vec<bool>,
    ) -> Self {
        let node = graph.node(node);
        let (inputs, outputs) = (node.inputs.clone(), node.outputs.clone());
        let gradients = vec![None; inputs.len()];
        Self { graph, inputs, outputs, cotangents, wanted, gradients }
    }

    /// Number of inputs.
    pub fn input_count(&self) -> usize {
        self.inputs.len()
    }

    /// Input `i`.
    pub fn x(&self, i: usize) -> Value {
        self.inputs[i]
    }

    /// Output `o`.
    pub fn y(&self, o: usize) -> Value {
        self.outputs[o]
    }

    /// Gradient of the loss with respect to output `o`, where the loss depends on it.
    pub fn dy(&self, o: usize) -> Option<Value> {
        self.cotangents[o]
    }

    /// Type of a value; f32 where it is stored as f16, which rules need not know of.
    pub fn ty(&self, value: Value) -> TensorType {
        super::half::widened(self.graph.ty(value))
    }

    /// Element type in which a value is stored.
    pub fn stored(&self, value: Value) -> DType {
        self.graph.ty(value).dtype
    }

    /// Whether the gradient of input `i` is needed.
    pub fn wants(&self, i: usize) -> bool {
        self.wanted[i]
    }

    /// Adds an op with one output.
    ///
    /// # Errors
    /// When the op cannot take these inputs.
    pub fn push(&mut self, op: impl Op, inputs: &[Value]) -> Result<Value, ShapeError> {
        self.graph.push(op, inputs)
    }

    /// Adds an op with `N` outputs.
    ///
    /// # Errors
    /// When the op cannot take these inputs.
    pub fn push_multi<const N: usize>(
        &mut self,
        op: impl Op,
        inputs: &[Value],
    ) -> Result<[Value; N], ShapeError> {
        self.graph.push_multi(op, inputs)
    }

    /// Sets the gradient of input `i`.
    pub fn set(&mut self, i: usize, gradient: Value) {
        self.gradients[i] = Some(gradient);
    }

    /// The gradients that the rule has set, by input.
    pub fn into_gradients(self) -> Vec<Option<Value>> {
        self.gradients
    }

    /// The error of an op that has no gradient.
    ///
    /// # Errors
    /// Always.
    pub fn not_differentiable(op: &str) -> Result<(), ShapeError> {
        Err(ShapeError::new(op, "has no gradient: the loss must not depend on its result"))
    }
}
