//! The nodes of an evaluation graph as nodes of ONNX, one after the other.

use super::error::OnnxError;
use super::order::Order;
use super::weights::Weights;
use super::writer::{Attribute, Writer, ints};
use crate::graph::{Graph, Node, Origin, Value};
use crate::ops::{
    Activate, AdaptiveAvgPool2d, AvgPool2d, BatchNormInference, Binary, Cast, Concat, Conv2d,
    Conv2dInputGrad, Full, GlobalAvgPool2d, LocalResponseNorm, LogSoftmax, Matmul, MaxPool2d,
    ResizeBilinear, Scale, Softmax, View,
};
use crate::tensor::TensorType;

/// An activation as ONNX has it.
#[derive(Debug, Clone)]
pub(super) struct Activation {
    /// Its name there.
    pub name: String,
    /// How its elements lie.
    pub order: Order,
}

/// What a value of the graph is in ONNX.
#[derive(Debug, Clone)]
enum Known {
    /// A tensor of weights, by our name. Each layer writes it as it needs it.
    Weights(String),
    /// One number everywhere.
    Filled(f32),
    Activation(Activation),
}

/// A graph on its way into ONNX. The ops of each family are in a file of their own.
pub(super) struct Translator<'a> {
    pub writer: Writer,
    pub weights: Weights<'a>,
    graph: &'a Graph,
    known: Vec<Option<Known>>,
    uses: Vec<usize>,
}

impl<'a> Translator<'a> {
    /// Starts with what is known: the images under a name in ONNX, and weights by their names.
    pub fn new(
        graph: &'a Graph,
        weights: Weights<'a>,
        writer: Writer,
        (images, name): (Value, String),
    ) -> Self {
        let mut known = vec![None; graph.value_count()];
        for value in graph.values() {
            if let Origin::Source(name) = graph.origin(value) {
                known[value.index()] = Some(Known::Weights(name.clone()));
            }
        }
        let images_in_onnx = Activation { name, order: Order::Image };
        known[images.index()] = Some(Known::Activation(images_in_onnx));
        let mut uses = vec![0; graph.value_count()];
        for input in graph.nodes().iter().flat_map(|node| &node.inputs) {
            uses[input.index()] += 1;
        }
        Self { writer, weights, graph, known, uses }
    }

    /// Writes all nodes; returns what `result` is, in our order.
    pub fn run(mut self, result: Value) -> Result<(Writer, String), OnnxError> {
        for node in self.graph.nodes() {
            self.writer.set_scope(&node.scope);
            let known = match node.op.downcast_ref::<Full>() {
                Some(full) => Known::Filled(full.value),
                None => Known::Activation(self.node(node)?),
            };
            self.known[node.outputs[0].index()] = Some(known);
        }
        let Some(Known::Activation(y)) = self.known[result.index()].clone() else {
            let problem = "the graph does not make its result".to_owned();
            let (layer, op) = ("model".to_owned(), "graph".to_owned());
            return Err(OnnxError::Op { layer, op, problem });
        };
        let y = self.in_our_order(&y);
        Ok((self.writer, y.name))
    }

    fn node(&mut self, node: &Node) -> Result<Activation, OnnxError> {
        let op = &*node.op;
        if let Some(op) = op.downcast_ref::<Conv2d>() {
            self.conv2d(node, op)
        } else if let Some(op) = op.downcast_ref::<Conv2dInputGrad>() {
            self.conv_transpose2d(node, op)
        } else if let Some(op) = op.downcast_ref::<Matmul>() {
            self.matmul(node, op)
        } else if let Some(op) = op.downcast_ref::<Binary>() {
            self.binary(node, op)
        } else if let Some(op) = op.downcast_ref::<Activate>() {
            let x = self.activation(node, 0)?;
            Ok(self.activate(x, op.function))
        } else if let Some(op) = op.downcast_ref::<Scale>() {
            self.scale(node, op)
        } else if op.downcast_ref::<Softmax>().is_some() {
            self.over_channels(node, "Softmax")
        } else if op.downcast_ref::<LogSoftmax>().is_some() {
            self.over_channels(node, "LogSoftmax")
        } else if let Some(op) = op.downcast_ref::<Cast>() {
            self.cast(node, op)
        } else if let Some(op) = op.downcast_ref::<MaxPool2d>() {
            self.max_pool(node, op)
        } else if let Some(op) = op.downcast_ref::<AvgPool2d>() {
            self.average_pool(node, op)
        } else if op.downcast_ref::<GlobalAvgPool2d>().is_some() {
            self.global_average_pool(node)
        } else if let Some(op) = op.downcast_ref::<AdaptiveAvgPool2d>() {
            self.adaptive_average_pool(node, op)
        } else if let Some(op) = op.downcast_ref::<ResizeBilinear>() {
            self.resize_bilinear(node, op)
        } else if let Some(op) = op.downcast_ref::<BatchNormInference>() {
            self.batch_norm(node, op)
        } else if let Some(op) = op.downcast_ref::<LocalResponseNorm>() {
            self.local_response_norm(node, op)
        } else if let Some(op) = op.downcast_ref::<Concat>() {
            self.concat(node, op)
        } else if let Some(op) = op.downcast_ref::<View>() {
            self.view(node, op)
        } else {
            Err(unsupported(node, "no operators of ONNX are known for it"))
        }
    }

    /// Type of an operand.
    pub fn input_type(&self, node: &Node, position: usize) -> Result<&'a TensorType, OnnxError> {
        Ok(self.graph.ty(input(node, position)?))
    }

    /// Type of the result.
    pub fn output_type(&self, node: &Node) -> &'a TensorType {
        self.graph.ty(node.outputs[0])
    }

    /// An operand that is an activation.
    pub fn activation(&self, node: &Node, position: usize) -> Result<Activation, OnnxError> {
        match &self.known[input(node, position)?.index()] {
            Some(Known::Activation(activation)) => Ok(activation.clone()),
            Some(Known::Filled(value)) => {
                Err(unsupported(node, &format!("it computes with {value} alone, without images")))
            }
            Some(Known::Weights(name)) => {
                Err(unsupported(node, &format!("it computes with {name} alone, without images")))
            }
            None => Err(unsupported(node, "it reads what an op gives beside its result")),
        }
    }

    /// The name of an operand that is a tensor of weights, if it is one.
    pub fn weights_name(&self, node: &Node, position: usize) -> Result<Option<&str>, OnnxError> {
        match &self.known[input(node, position)?.index()] {
            Some(Known::Weights(name)) => Ok(Some(name)),
            _ => Ok(None),
        }
    }

    /// The number that an operand holds everywhere, if it does.
    pub fn filled(&self, node: &Node, position: usize) -> Result<Option<f32>, OnnxError> {
        match &self.known[input(node, position)?.index()] {
            Some(Known::Filled(value)) => Ok(Some(*value)),
            _ => Ok(None),
        }
    }

    /// The name of an operand that must be a tensor of weights.
    pub fn needed_weights(&self, node: &Node, position: usize) -> Result<String, OnnxError> {
        let name = self.weights_name(node, position)?.map(str::to_owned);
        name.ok_or_else(|| {
            unsupported(node, &format!("its operand {position} is no tensor of weights"))
        })
    }

    /// Writes an operand that has a number for each element of the last axis of an activation.
    pub fn vector(
        &mut self,
        node: &Node,
        position: usize,
        order: Order,
    ) -> Result<String, OnnxError> {
        let name = self.needed_weights(node, position)?;
        let shape = &self.input_type(node, position)?.shape;
        let values = order.of_vector(self.weights.floats(&name, shape)?);
        Ok(self.writer.floats(&name, &[values.len()], &values))
    }

    /// Whether this node alone reads an operand.
    pub fn reads_alone(&self, node: &Node, position: usize) -> Result<bool, OnnxError> {
        Ok(self.uses[input(node, position)?.index()] == 1)
    }

    /// The same activation, its elements as they lie here.
    pub fn in_our_order(&mut self, x: &Activation) -> Activation {
        let order = Order::Same;
        match x.order {
            Order::Same => x.clone(),
            Order::FlatImage([h, w, c]) => {
                let channels_first = [0, c, h, w];
                let shape = self.writer.list("shape", &ints(&channels_first));
                let image = self.writer.node("Reshape", &[&x.name, &shape], Vec::new());
                let image = self.channels_last(&image);
                let name = self.flatten(&image);
                Activation { name, order }
            }
            Order::Image => Activation { name: self.channels_last(&x.name), order },
        }
    }

    fn channels_last(&mut self, image: &str) -> String {
        let axes = Attribute::Ints(vec![0, 2, 3, 1]);
        self.writer.node("Transpose", &[image], vec![("perm", axes)])
    }

    /// All dimensions but the first as one.
    pub fn flatten(&mut self, x: &str) -> String {
        self.writer.node("Flatten", &[x], vec![("axis", Attribute::Int(1))])
    }
}

fn input(node: &Node, position: usize) -> Result<Value, OnnxError> {
    let input = node.inputs.get(position).copied();
    input.ok_or_else(|| unsupported(node, &format!("it has no operand {position}")))
}

/// An op that has no form in ONNX.
pub(super) fn unsupported(node: &Node, problem: &str) -> OnnxError {
    OnnxError::Op {
        layer: node.scope.clone(),
        op: node.op.name().to_owned(),
        problem: problem.to_owned(),
    }
}
