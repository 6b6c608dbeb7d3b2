//! What is done to each element, and softmax.

use super::error::OnnxError;
use super::order::Order;
use super::proto::data_type;
use super::translate::{Activation, Translator, unsupported};
use super::writer::Attribute;
use crate::graph::{Activation as Function, Node};
use crate::ops::{Binary, BinaryFunction, Cast, Scale};
use crate::tensor::DType;

impl Translator<'_> {
    /// Of two activations, or of an activation and a number for each channel. The bias of a product becomes
    /// a part of it.
    pub(super) fn binary(&mut self, node: &Node, op: &Binary) -> Result<Activation, OnnxError> {
        let a = self.activation(node, 0)?;
        let function = match op.function {
            BinaryFunction::Add => "Add",
            BinaryFunction::Subtract => "Sub",
            BinaryFunction::Multiply => "Mul",
            BinaryFunction::Divide => "Div",
        };
        let [a_type, b_type] = [self.input_type(node, 0)?, self.input_type(node, 1)?];
        let Some(name) = self.weights_name(node, 1)?.map(str::to_owned) else {
            if a_type != b_type {
                return Err(unsupported(node, "its two activations differ in shape"));
            }
            let b = self.activation(node, 1)?;
            return Ok(self.sum(function, [a, b]));
        };
        let order = a.order;
        if op.per_column && function == "Add" && self.reads_alone(node, 0)? {
            let bias = self.weights.floats(&name, &b_type.shape)?;
            let bias = order.of_vector(bias);
            if self.writer.add_bias(&a.name, &name, &bias) {
                return Ok(a);
            }
        }
        let values = self.weights.floats(&name, &b_type.shape)?;
        let (dims, values) = match values {
            &[value] => (Vec::new(), vec![value]),
            _ if !op.per_column => {
                return Err(unsupported(node, &format!("{name} has a number for each example")));
            }
            values => {
                let values = order.of_vector(values);
                // Along the axis of the channels, which comes before height and width.
                let behind = if order == Order::Image { 2 } else { 0 };
                ([vec![values.len()], vec![1; behind]].concat(), values)
            }
        };
        let b = self.writer.floats(&name, &dims, &values);
        let name = self.writer.node(function, &[&a.name, &b], Vec::new());
        Ok(Activation { name, order })
    }

    /// A function of two activations of one shape.
    pub(super) fn sum(&mut self, function: &str, [a, b]: [Activation; 2]) -> Activation {
        let [a, b] = if a.order == b.order {
            [a, b]
        } else {
            [self.in_our_order(&a), self.in_our_order(&b)]
        };
        let name = self.writer.node(function, &[&a.name, &b.name], Vec::new());
        Activation { name, order: a.order }
    }

    /// An activation function.
    pub(super) fn activate(&mut self, x: Activation, function: Function) -> Activation {
        let Activation { name: x, order } = x;
        let writer = &mut self.writer;
        let name = match function {
            Function::Identity => x,
            Function::Relu => writer.node("Relu", &[&x], Vec::new()),
            Function::Relu6 => {
                let [least, most] =
                    [("least", 0.0), ("most", 6.0)].map(|(n, v)| writer.scalar(n, v));
                writer.node("Clip", &[&x, &least, &most], Vec::new())
            }
            Function::LeakyRelu => {
                writer.node("LeakyRelu", &[&x], vec![("alpha", Attribute::Float(0.01))])
            }
            Function::Gelu => {
                writer.node("Gelu", &[&x], vec![("approximate", Attribute::Text("none"))])
            }
            Function::GeluTanh => {
                writer.node("Gelu", &[&x], vec![("approximate", Attribute::Text("tanh"))])
            }
            Function::Sigmoid => writer.node("Sigmoid", &[&x], Vec::new()),
            Function::Tanh => writer.node("Tanh", &[&x], Vec::new()),
            Function::Silu => {
                let sigmoid = writer.node("Sigmoid", &[&x], Vec::new());
                writer.node("Mul", &[&x, &sigmoid], Vec::new())
            }
        };
        Activation { name, order }
    }

    /// A product with a number.
    pub(super) fn scale(&mut self, node: &Node, op: &Scale) -> Result<Activation, OnnxError> {
        let x = self.activation(node, 0)?;
        #[expect(clippy::cast_possible_truncation, reason = "all arithmetic is in f32")]
        let factor = self.writer.scalar("factor", op.factor as f32);
        let name = self.writer.node("Mul", &[&x.name, &factor], Vec::new());
        Ok(Activation { name, ..x })
    }

    /// Softmax or its logarithm, over the channels.
    pub(super) fn over_channels(
        &mut self,
        node: &Node,
        op_type: &str,
    ) -> Result<Activation, OnnxError> {
        let x = self.activation(node, 0)?;
        let name = self.writer.node(op_type, &[&x.name], vec![("axis", Attribute::Int(1))]);
        Ok(Activation { name, ..x })
    }

    /// Another type of float.
    pub(super) fn cast(&mut self, node: &Node, op: &Cast) -> Result<Activation, OnnxError> {
        let x = self.activation(node, 0)?;
        let to = match op.to {
            DType::F32 => data_type::FLOAT,
            DType::F16 => data_type::FLOAT16,
            DType::U32 => data_type::UINT32,
            DType::U8 => data_type::UINT8,
        };
        let to = vec![("to", Attribute::Int(i64::from(to)))];
        let name = self.writer.node("Cast", &[&x.name], to);
        Ok(Activation { name, ..x })
    }
}
