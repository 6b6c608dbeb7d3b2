//! Other shapes of the same elements, and tensors side by side.

use super::error::OnnxError;
use super::order::{IMAGE_AXES, Order};
use super::translate::{Activation, Translator, unsupported};
use super::writer::Attribute;
use crate::graph::Node;
use crate::ops::{Concat, View};

impl Translator<'_> {
    /// An image that becomes a vector keeps the order of ONNX; the next dense layer has its weights in that
    /// order.
    pub(super) fn view(&mut self, node: &Node, op: &View) -> Result<Activation, OnnxError> {
        let x = self.activation(node, 0)?;
        let from = self.input_type(node, 0)?;
        if op.offset != 0 || from.elements() != op.shape.elements() {
            return Err(unsupported(node, "it is a part of a tensor"));
        }
        match (from.dims(), op.shape.dims()) {
            (from, to) if from == to => Ok(x),
            (&[n, h, w, c], &[m, _]) if n == m => {
                let order = Order::of_flat([h, w, c]);
                Ok(Activation { name: self.flatten(&x.name), order })
            }
            (from, to) => {
                let problem = format!("{from:?} cannot become {to:?} for any number of images");
                Err(unsupported(node, &problem))
            }
        }
    }

    /// Side by side along any axis but that of the images.
    pub(super) fn concat(&mut self, node: &Node, op: &Concat) -> Result<Activation, OnnxError> {
        let parts: Result<Vec<_>, _> =
            (0..node.inputs.len()).map(|position| self.activation(node, position)).collect();
        let mut parts = parts?;
        let is_image = parts.iter().all(|part| part.order == Order::Image);
        let axis = if is_image {
            IMAGE_AXES.iter().position(|&ours| ours == op.axis).unwrap_or_default()
        } else {
            for part in &mut parts {
                *part = self.in_our_order(part);
            }
            op.axis
        };
        if axis == 0 {
            return Err(unsupported(node, "it lays batches of images side by side"));
        }
        let names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
        let axis = vec![("axis", Attribute::Int(i64::try_from(axis).unwrap_or(i64::MAX)))];
        let name = self.writer.node("Concat", &names, axis);
        let order = if is_image { Order::Image } else { Order::Same };
        Ok(Activation { name, order })
    }
}
