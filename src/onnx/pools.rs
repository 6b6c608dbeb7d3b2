//! Poolings. Windows are told by explicit padding: what a runtime makes of `ceil_mode` has changed with
//! versions of the operators, and PyTorch's rule for the last window is not that of all of them.

use super::error::OnnxError;
use super::order::Order;
use super::translate::{Activation, Translator, unsupported};
use super::writer::{Attribute, ints};
use crate::graph::Node;
use crate::ops::{AdaptiveAvgPool2d, AvgPool2d, MaxPool2d, PoolGeometry, ResizeBilinear};

/// Padding in the order of ONNX, such that sizes that are rounded down give the windows that there are:
/// behind the input, as many elements as the last window holds.
fn pads(geometry: &PoolGeometry, input: [usize; 2], output: [usize; 2]) -> [usize; 4] {
    let [top, _, left, _] = geometry.padding;
    let behind = |axis: usize, before: usize| {
        let end = output[axis].saturating_sub(1) * geometry.stride[axis] + geometry.window[axis];
        end.saturating_sub(before + input[axis])
    };
    [top, left, behind(0, top), behind(1, left)]
}

fn windows(geometry: &PoolGeometry, pads: [usize; 4]) -> Vec<(&'static str, Attribute)> {
    vec![
        ("kernel_shape", Attribute::Ints(ints(&geometry.window))),
        ("strides", Attribute::Ints(ints(&geometry.stride))),
        ("pads", Attribute::Ints(ints(&pads))),
    ]
}

impl Translator<'_> {
    /// Height and width of the input and of the output.
    fn pooled_sizes(&self, node: &Node) -> Result<[[usize; 2]; 2], OnnxError> {
        let sizes = |dims: &[usize]| match *dims {
            [_, h, w, _] => Ok([h, w]),
            _ => Err(unsupported(node, "it pools something else than images")),
        };
        Ok([sizes(self.input_type(node, 0)?.dims())?, sizes(self.output_type(node).dims())?])
    }

    /// `MaxPool`, in which padding never wins, either.
    pub(super) fn max_pool(
        &mut self,
        node: &Node,
        op: &MaxPool2d,
    ) -> Result<Activation, OnnxError> {
        let x = self.activation(node, 0)?;
        let [input, output] = self.pooled_sizes(node)?;
        let attributes = windows(&op.geometry, pads(&op.geometry, input, output));
        let name = self.writer.node("MaxPool", &[&x.name], attributes);
        Ok(Activation { name, ..x })
    }

    /// `AveragePool`. Where padding counts, but not what lies behind it, zeros take the place of the
    /// padding.
    pub(super) fn average_pool(
        &mut self,
        node: &Node,
        op: &AvgPool2d,
    ) -> Result<Activation, OnnxError> {
        let x = self.activation(node, 0)?;
        let [input, output] = self.pooled_sizes(node)?;
        let mut geometry = op.geometry.clone();
        let [top, bottom, left, right] = geometry.padding;
        let (mut name, mut size) = (x.name, input);
        let has_padding = geometry.padding != [0; 4];
        if op.count_include_pad && geometry.ceil_mode && has_padding {
            let zeros = self.writer.list("pads", &ints(&[0, 0, top, left, 0, 0, bottom, right]));
            name = self.writer.node("Pad", &[&name, &zeros], Vec::new());
            size = [input[0] + top + bottom, input[1] + left + right];
            geometry.padding = [0; 4];
        }
        let counts = op.count_include_pad && !geometry.ceil_mode;
        let mut attributes = windows(&geometry, pads(&geometry, size, output));
        attributes.push(("count_include_pad", Attribute::Int(i64::from(counts))));
        let name = self.writer.node("AveragePool", &[&name], attributes);
        Ok(Activation { name, ..x })
    }

    /// `GlobalAveragePool`, which keeps height and width of 1.
    pub(super) fn global_average_pool(&mut self, node: &Node) -> Result<Activation, OnnxError> {
        let x = self.activation(node, 0)?;
        let name = self.writer.node("GlobalAveragePool", &[&x.name], Vec::new());
        Ok(Activation { name: self.flatten(&name), order: Order::Same })
    }

    /// Windows of one size where the output's size divides the input's. Else two products, one for each
    /// axis: the mean over a rectangle is a mean of means.
    pub(super) fn adaptive_average_pool(
        &mut self,
        node: &Node,
        op: &AdaptiveAvgPool2d,
    ) -> Result<Activation, OnnxError> {
        let x = self.activation(node, 0)?;
        let [input, output] = self.pooled_sizes(node)?;
        if input == output {
            return Ok(x);
        }
        if [0, 1].iter().all(|&axis| input[axis] % output[axis] == 0) {
            let window = [0, 1].map(|axis| input[axis] / output[axis]);
            let geometry = PoolGeometry::non_overlapping(window);
            let name = self.writer.node("AveragePool", &[&x.name], windows(&geometry, [0; 4]));
            return Ok(Activation { name, ..x });
        }
        let scope = &node.scope;
        let rows = shares(input[0], op.output[0], [input[0], 1]);
        let rows = self.writer.floats(&format!("{scope}/rows"), &[output[0], input[0]], &rows);
        let columns = shares(input[1], op.output[1], [1, output[1]]);
        let columns =
            self.writer.floats(&format!("{scope}/columns"), &[input[1], output[1]], &columns);
        let name = self.writer.node("MatMul", &[&rows, &x.name], Vec::new());
        let name = self.writer.node("MatMul", &[&name, &columns], Vec::new());
        Ok(Activation { name, ..x })
    }

    /// `Resize` by factors, linearly between the centers of pixels.
    pub(super) fn resize_bilinear(
        &mut self,
        node: &Node,
        op: &ResizeBilinear,
    ) -> Result<Activation, OnnxError> {
        let x = self.activation(node, 0)?;
        #[expect(clippy::cast_precision_loss, reason = "layers have factors below 2^16")]
        let [height, width] = op.factor.map(|factor| factor as f32);
        let name = format!("{}/scales", node.scope);
        let scales = self.writer.floats(&name, &[4], &[1.0, 1.0, height, width]);
        let attributes = vec![
            ("mode", Attribute::Text("linear")),
            ("coordinate_transformation_mode", Attribute::Text("half_pixel")),
        ];
        // The second input is for another mode.
        let name = self.writer.node("Resize", &[&x.name, "", &scales], attributes);
        Ok(Activation { name, ..x })
    }
}

/// How much each element of an axis counts in each window of [`AdaptiveAvgPool2d`], as a matrix of floats:
/// window `o` and element `i` at `o strides[0] + i strides[1]`.
fn shares(inputs: usize, outputs: usize, strides: [usize; 2]) -> Vec<f32> {
    let mut matrix = vec![0.0; inputs * outputs];
    for o in 0..outputs {
        let window = o * inputs / outputs..((o + 1) * inputs).div_ceil(outputs);
        #[expect(clippy::cast_precision_loss, reason = "no side of an image has 2^24 pixels")]
        let share = 1.0 / window.len() as f32;
        for i in window {
            matrix[o * strides[0] + i * strides[1]] = share;
        }
    }
    matrix
}
