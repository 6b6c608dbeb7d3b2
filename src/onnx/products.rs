//! Convolutions and dense layers; in 8 bits, between quantized weights and activations.

use super::error::OnnxError;
use super::order::Order;
use super::translate::{Activation, Translator, unsupported};
use super::weights::Factor;
use super::writer::{Attribute, ints};
use crate::graph::{Activation as Function, Node};
use crate::ops::{Conv2d, Conv2dInputGrad, Matmul};
use crate::tensor::permuted;

/// What may follow a product in the same op.
struct Tail {
    bias: bool,
    residual: bool,
    activation: Function,
}

impl Translator<'_> {
    /// `Conv`, whose weights are `[out, in / groups, kh, kw]`.
    pub(super) fn conv2d(&mut self, node: &Node, op: &Conv2d) -> Result<Activation, OnnxError> {
        let x = self.product_input(node)?;
        let shape = &self.input_type(node, 1)?.shape;
        let name = self.needed_weights(node, 1)?;
        let axes = [3, 2, 0, 1];
        let dims: Vec<usize> = axes.iter().map(|&axis| shape.dims()[axis]).collect();
        let weights = match self.weights.factor(&name, shape)? {
            Factor::Floats(values) => {
                let values = permuted(values, shape.dims(), &axes);
                self.writer.floats(&name, &dims, &values)
            }
            Factor::Int8(tensor) => {
                let values = permuted(&tensor.values, shape.dims(), &axes);
                self.dequantized(&name, &dims, (&values, &tensor.scales), 0)
            }
        };
        let geometry = &op.geometry;
        let [top, bottom, left, right] = geometry.padding;
        let attributes = vec![
            ("kernel_shape", Attribute::Ints(ints(&dims[2..]))),
            ("strides", Attribute::Ints(ints(&geometry.stride))),
            ("pads", Attribute::Ints(ints(&[top, left, bottom, right]))),
            ("dilations", Attribute::Ints(ints(&geometry.dilation))),
            ("group", Attribute::Int(i64::try_from(geometry.groups).unwrap_or(i64::MAX))),
        ];
        let name = self.writer.node("Conv", &[&x.name, &weights], attributes);
        let &Conv2d { bias, residual, activation, .. } = op;
        let y = Activation { name, order: Order::Image };
        self.tail(node, y, &Tail { bias, residual, activation })
    }

    /// `ConvTranspose`, whose weights are `[in, out / groups, kh, kw]`: here, the gradient of a convolution with
    /// respect to its input.
    pub(super) fn conv_transpose2d(
        &mut self,
        node: &Node,
        op: &Conv2dInputGrad,
    ) -> Result<Activation, OnnxError> {
        if op.residual || op.derivative.is_some() {
            return Err(unsupported(node, "it is no transposed convolution"));
        }
        let x = self.activation(node, 0)?;
        let shape = &self.input_type(node, 1)?.shape;
        let axes = [3, 2, 0, 1];
        let dims: Vec<usize> = axes.iter().map(|&axis| shape.dims()[axis]).collect();
        let weights = match self.filled(node, 1)? {
            Some(value) => {
                let name = format!("{}.filled", node.scope);
                self.writer.floats(&name, &dims, &vec![value; shape.elements()])
            }
            None => {
                let name = self.needed_weights(node, 1)?;
                match self.weights.factor(&name, shape)? {
                    Factor::Floats(values) => {
                        let values = permuted(values, shape.dims(), &axes);
                        self.writer.floats(&name, &dims, &values)
                    }
                    Factor::Int8(_) => {
                        return Err(unsupported(node, "its weights in 8 bits are transposed"));
                    }
                }
            }
        };
        let geometry = &op.geometry;
        let [top, bottom, left, right] = geometry.padding;
        let sides = [top + bottom, left + right];
        let reached = |axis: usize, input: usize| {
            let window = geometry.dilation[axis] * (dims[2 + axis] - 1) + 1;
            (input - 1) * geometry.stride[axis] + window - sides[axis]
        };
        let input = self.input_type(node, 0)?.dims();
        let more = [0, 1].map(|axis| op.input[axis].saturating_sub(reached(axis, input[1 + axis])));
        let attributes = vec![
            ("kernel_shape", Attribute::Ints(ints(&dims[2..]))),
            ("strides", Attribute::Ints(ints(&geometry.stride))),
            ("pads", Attribute::Ints(ints(&[top, left, bottom, right]))),
            ("output_padding", Attribute::Ints(ints(&more))),
            ("dilations", Attribute::Ints(ints(&geometry.dilation))),
            ("group", Attribute::Int(i64::try_from(geometry.groups).unwrap_or(i64::MAX))),
        ];
        let name = self.writer.node("ConvTranspose", &[&x.name, &weights], attributes);
        Ok(Activation { name, order: Order::Image })
    }

    /// `Gemm`, whose weights are `[in, out]` as here. Behind an image that was flattened, they are in the
    /// order of ONNX.
    pub(super) fn matmul(&mut self, node: &Node, op: &Matmul) -> Result<Activation, OnnxError> {
        if op.transpose_a || op.derivative.is_some() {
            return Err(unsupported(node, "it is no product of a dense layer"));
        }
        let x = self.product_input(node)?;
        let shape = &self.input_type(node, 1)?.shape;
        let name = self.needed_weights(node, 1)?;
        let (dims, transposed) = (shape.dims(), op.transpose_b);
        let (outer, inner) = if transposed { (dims[0], 1) } else { (1, dims[1]) };
        let weights = match self.weights.factor(&name, shape)? {
            Factor::Floats(values) => {
                let values = x.order.along(values, outer, inner);
                self.writer.floats(&name, dims, &values)
            }
            Factor::Int8(_) if transposed => {
                return Err(unsupported(node, "its weights in 8 bits are transposed"));
            }
            Factor::Int8(tensor) => {
                let values = x.order.along(&tensor.values, outer, inner);
                self.dequantized(&name, dims, (&values, &tensor.scales), 1)
            }
        };
        let transposed = vec![("transB", Attribute::Int(i64::from(transposed)))];
        let name = self.writer.node("Gemm", &[&x.name, &weights], transposed);
        let &Matmul { bias, residual, activation, .. } = op;
        let y = Activation { name, order: Order::Same };
        self.tail(node, y, &Tail { bias, residual, activation })
    }

    /// What a product reads, on its grid where there is one.
    fn product_input(&mut self, node: &Node) -> Result<Activation, OnnxError> {
        let x = self.activation(node, 0)?;
        let layer = &node.scope;
        let Some(grid) = self.weights.grid(layer)? else { return Ok(x) };
        let scale = self.writer.floats(&format!("{layer}.input.scale"), &[], &[grid.scale]);
        let zero = format!("{layer}.input.zero_point");
        let zero = self.writer.bytes(&zero, &[], &[grid.zero_point]);
        let levels = self.writer.node("QuantizeLinear", &[&x.name, &scale, &zero], Vec::new());
        let name = self.writer.node("DequantizeLinear", &[&levels, &scale, &zero], Vec::new());
        Ok(Activation { name, ..x })
    }

    /// Weights in 8 bits as floats again, with scales along an axis, or one for all.
    fn dequantized(
        &mut self,
        name: &str,
        dims: &[usize],
        (values, scales): (&[i8], &[f32]),
        axis: i64,
    ) -> String {
        let scales_dims: &[usize] = if scales.len() == 1 { &[] } else { &[scales.len()] };
        let zeros = vec![0; scales.len()];
        let weights = self.writer.signed_bytes(name, dims, values);
        let scales = self.writer.floats(&format!("{name}.scales"), scales_dims, scales);
        let zeros = self.writer.signed_bytes(&format!("{name}.zero_points"), scales_dims, &zeros);
        let axis = vec![("axis", Attribute::Int(axis))];
        self.writer.node("DequantizeLinear", &[&weights, &scales, &zeros], axis)
    }

    /// Bias, residual sum and activation of an op that has them itself.
    fn tail(&mut self, node: &Node, y: Activation, tail: &Tail) -> Result<Activation, OnnxError> {
        let mut position = 2;
        if tail.bias {
            let bias = self.needed_weights(node, position)?;
            let shape = &self.input_type(node, position)?.shape;
            self.writer.add_bias(&y.name, &bias, self.weights.floats(&bias, shape)?);
            position += 1;
        }
        let y = if tail.residual {
            let residual = self.activation(node, position)?;
            self.sum("Add", [y, residual])
        } else {
            y
        };
        Ok(self.activate(y, tail.activation))
    }
}
