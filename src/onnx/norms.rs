//! Normalization by statistics, and by neighboring channels.

use super::error::OnnxError;
use super::order::Order;
use super::translate::{Activation, Translator};
use super::writer::{Attribute, ints};
use crate::graph::Node;
use crate::ops::{BatchNormInference, LocalResponseNorm};

impl Translator<'_> {
    /// `BatchNormalization`, which runtimes fold into the product before.
    pub(super) fn batch_norm(
        &mut self,
        node: &Node,
        op: &BatchNormInference,
    ) -> Result<Activation, OnnxError> {
        let x = self.activation(node, 0)?;
        let mut inputs = vec![x.name];
        for position in 1..5 {
            inputs.push(self.vector(node, position, x.order)?);
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let epsilon = vec![("epsilon", Attribute::Float(op.epsilon))];
        let name = self.writer.node("BatchNormalization", &inputs, epsilon);
        let y = Activation { name, order: x.order };
        let y = if op.tail.residual {
            let residual = self.activation(node, 5)?;
            self.sum("Add", [y, residual])
        } else {
            y
        };
        Ok(self.activate(y, op.tail.activation))
    }

    /// `LRN` where it means the same: its windows of an even size lie one channel further on, and runtimes
    /// take it for images only. Else squares, of which windows over the channels are averaged.
    pub(super) fn local_response_norm(
        &mut self,
        node: &Node,
        op: &LocalResponseNorm,
    ) -> Result<Activation, OnnxError> {
        let dims = self.input_type(node, 0)?.dims();
        let x = self.activation(node, 0)?;
        let channels = dims.last().copied().unwrap_or(1);
        let &LocalResponseNorm { size, alpha, beta, k } = op;
        if x.order == Order::Image && size % 2 == 1 && size <= 2 * channels {
            let attributes = vec![
                ("size", Attribute::Int(i64::try_from(size).unwrap_or(i64::MAX))),
                ("alpha", Attribute::Float(alpha)),
                ("beta", Attribute::Float(beta)),
                ("bias", Attribute::Float(k)),
            ];
            let name = self.writer.node("LRN", &[&x.name], attributes);
            return Ok(Activation { name, ..x });
        }
        let x = if x.order == Order::Image { x } else { self.in_our_order(&x) };
        // As many neighbors as there can be.
        let before = (size / 2).min(channels);
        let after = ((size - 1) / 2).min(channels);
        let window = before + after + 1;
        let pixels: usize = dims[1..dims.len() - 1].iter().product();
        let squares = self.writer.node("Mul", &[&x.name, &x.name], Vec::new());
        let rows = self.writer.list("rows", &ints(&[0, 1, channels, pixels]));
        let squares = self.writer.node("Reshape", &[&squares, &rows], Vec::new());
        let attributes = vec![
            ("kernel_shape", Attribute::Ints(ints(&[window, 1]))),
            ("strides", Attribute::Ints(vec![1, 1])),
            ("pads", Attribute::Ints(ints(&[before, 0, after, 0]))),
            ("count_include_pad", Attribute::Int(1)),
        ];
        let means = self.writer.node("AveragePool", &[&squares], attributes);
        let shape = match *dims {
            [_, h, w, c] => vec![0, c, h, w],
            _ => [&[0], &dims[1..]].concat(),
        };
        let shape = self.writer.list("shape", &ints(&shape));
        let means = self.writer.node("Reshape", &[&means, &shape], Vec::new());
        // The mean of the op is over the whole size.
        #[expect(clippy::cast_precision_loss, reason = "a rounding of the factor")]
        let share = window as f32 / size as f32;
        let constants = [("alpha", alpha * share), ("k", k), ("beta", beta)];
        let [alpha, k, beta] = constants.map(|(name, value)| self.writer.scalar(name, value));
        let scaled = self.writer.node("Mul", &[&means, &alpha], Vec::new());
        let base = self.writer.node("Add", &[&scaled, &k], Vec::new());
        let divisor = self.writer.node("Pow", &[&base, &beta], Vec::new());
        let name = self.writer.node("Div", &[&x.name, &divisor], Vec::new());
        Ok(Activation { name, ..x })
    }
}
