//! The graph: nodes in the order in which they were added, each value made once.

use std::sync::Arc;

use super::{Op, Signature};
use crate::error::ShapeError;
use crate::tensor::TensorType;

/// A tensor in a [`Graph`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value(usize);

impl Value {
    /// Position in the graph's list of values.
    pub fn index(self) -> usize {
        self.0
    }
}

/// A node of a [`Graph`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(usize);

impl NodeId {
    /// Position in the graph's list of nodes.
    pub fn index(self) -> usize {
        self.0
    }
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A named tensor that outlives a run: parameters, optimizer state, data sets, counters.
    Source(String),
    /// An output of a node.
    Node {
        /// The node.
        node: NodeId,
        /// Position among its outputs.
        output: usize,
    },
}

/// One execution of an op.
#[derive(Debug, Clone)]
pub struct Node {
    /// What it does.
    pub op: Arc<dyn Op>,
    /// Operands that it reads.
    pub inputs: Vec<Value>,
    /// Operands that it makes.
    pub outputs: Vec<Value>,
    /// The layer it belongs to, for messages and tables: `conv1`, `conv1/gradient`.
    pub scope: String,
}

#[derive(Debug, Clone)]
struct ValueInfo {
    ty: TensorType,
    origin: Origin,
}

/// A graph of ops over tensors. Nodes can only use values that exist, so their order is a valid
/// schedule, apart from in-place updates, which the compiler moves behind all other readers.
///
/// ```
/// use verigrad::graph::{Activation, Graph};
/// use verigrad::ops::{Activate, Matmul};
/// use verigrad::tensor::TensorType;
///
/// let mut graph = Graph::default();
/// let x = graph.source("x", TensorType::f32([32, 784]));
/// let w = graph.source("w", TensorType::f32([784, 10]));
/// let y = graph.push(Matmul::default(), &[x, w])?;
/// let y = graph.push(Activate { function: Activation::Relu }, &[y])?;
/// assert_eq!(graph.ty(y).dims(), [32, 10]);
/// # Ok::<(), verigrad::error::ShapeError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Graph {
    values: Vec<ValueInfo>,
    nodes: Vec<Node>,
    outputs: Vec<(String, Value)>,
    scope: String,
}

impl Graph {
    /// A named tensor that outlives a run. The same name and type give the same value.
    pub fn source(&mut self, name: &str, ty: TensorType) -> Value {
        let known = self
            .values
            .iter()
            .position(|v| matches!(&v.origin, Origin::Source(n) if n == name) && v.ty == ty);
        match known {
            Some(index) => Value(index),
            None => self.add_value(ValueInfo { ty, origin: Origin::Source(name.to_owned()) }),
        }
    }

    /// Adds a node with one output.
    ///
    /// # Errors
    /// When the op cannot take these inputs; the message names the current scope.
    pub fn push(&mut self, op: impl Op, inputs: &[Value]) -> Result<Value, ShapeError> {
        self.push_node(Arc::new(op), inputs).map(|outputs| outputs[0])
    }

    /// Adds a node with `N` outputs.
    ///
    /// # Errors
    /// When the op cannot take these inputs, or has another number of outputs.
    pub fn push_multi<const N: usize>(
        &mut self,
        op: impl Op,
        inputs: &[Value],
    ) -> Result<[Value; N], ShapeError> {
        let name = op.name();
        let outputs = self.push_node(Arc::new(op), inputs)?;
        <[Value; N]>::try_from(outputs).map_err(|outputs| {
            ShapeError::new(name, format!("has {} outputs, {N} were asked for", outputs.len()))
        })
    }

    /// Adds a node.
    ///
    /// # Errors
    /// When the op cannot take these inputs; the message names the current scope.
    pub fn push_node(
        &mut self,
        op: Arc<dyn Op>,
        inputs: &[Value],
    ) -> Result<Vec<Value>, ShapeError> {
        let input_types: Vec<TensorType> = inputs.iter().map(|&v| self.ty(v).clone()).collect();
        let types = op.infer(&input_types).map_err(|error| self.in_scope(error))?;
        if let Some(large) = types.iter().find(|ty| !ty.shape.is_indexable()) {
            let message = format!(
                "the result {large} has more elements than 32-bit indices reach; lower the batch \
                 size or the size of the layer"
            );
            return Err(self.in_scope(ShapeError::new(op.name(), message)));
        }
        let node = NodeId(self.nodes.len());
        let outputs: Vec<Value> = types
            .into_iter()
            .enumerate()
            .map(|(output, ty)| {
                self.add_value(ValueInfo { ty, origin: Origin::Node { node, output } })
            })
            .collect();
        self.nodes.push(Node {
            op,
            inputs: inputs.to_vec(),
            outputs: outputs.clone(),
            scope: self.scope.clone(),
        });
        Ok(outputs)
    }

    /// Sets the layer that the nodes to come belong to.
    pub fn set_scope(&mut self, scope: impl Into<String>) {
        self.scope = scope.into();
    }

    /// The layer that the nodes to come belong to.
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// Keeps a value readable under `name` after each run.
    pub fn output(&mut self, name: &str, value: Value) {
        self.outputs.push((name.to_owned(), value));
    }

    /// The values that are readable after each run.
    pub fn outputs(&self) -> &[(String, Value)] {
        &self.outputs
    }

    /// Type of a value.
    pub fn ty(&self, value: Value) -> &TensorType {
        &self.values[value.0].ty
    }

    /// Where a value comes from.
    pub fn origin(&self, value: Value) -> &Origin {
        &self.values[value.0].origin
    }

    /// Number of values.
    pub fn value_count(&self) -> usize {
        self.values.len()
    }

    /// All values, in the order in which they were added.
    pub fn values(&self) -> impl Iterator<Item = Value> + use<> {
        (0..self.values.len()).map(Value)
    }

    /// The nodes, in the order in which they were added.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// A node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// Types of a node's operands.
    pub fn signature(&self, node: &Node) -> Signature {
        let types = |values: &[Value]| values.iter().map(|&v| self.ty(v).clone()).collect();
        Signature { inputs: types(&node.inputs), outputs: types(&node.outputs) }
    }

    fn add_value(&mut self, info: ValueInfo) -> Value {
        self.values.push(info);
        Value(self.values.len() - 1)
    }

    fn in_scope(&self, error: ShapeError) -> ShapeError {
        if self.scope.is_empty() {
            error
        } else {
            ShapeError { op: error.op, message: format!("{} (in {})", error.message, self.scope) }
        }
    }
}
