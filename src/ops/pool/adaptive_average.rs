//! Average over a given number of windows, whatever the size of the image, and its gradient.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::geometry::images;
use crate::error::ShapeError;
use crate::graph::{
    Caps, Case, Cost, Fill, HostIo, HostKernel, Kernel, Lowering, OpDef, Operand, Signature, Vjp,
};
use crate::ops::kit::{Lanes, operands};
use crate::tensor::parallel::for_each_chunk;
use crate::tensor::{Real, TensorType, Tolerance};

/// `y[n, oy, ox, c] = mean x[n, iy, ix, c]` over `iy` in `floor(oy h / oh)..ceil((oy + 1) h / oh)`
/// and `ix` likewise.
///
/// Input: `x` `[n, h, w, c]`. Output: `[n, oh, ow, c]`. Semantics of
/// `torch.nn.AdaptiveAvgPool2d`: windows overlap where the output's size does not divide the
/// input's, and elements repeat where it is larger.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdaptiveAvgPool2d {
    /// Height and width of the output.
    pub output: [usize; 2],
}

/// `dx[n, iy, ix, c] = sum dy[n, oy, ox, c] / size[oy, ox]` over the windows that hold `iy, ix`.
///
/// Input: `dy` `[n, oh, ow, c]`. Output: `[n, h, w, c]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdaptiveAvgPool2dGrad {
    /// Height and width of the input of the pooling.
    pub input: [usize; 2],
}

/// Elements of window `o` of `outputs` over `inputs` elements.
fn window(o: usize, inputs: usize, outputs: usize) -> Range<usize> {
    o * inputs / outputs..((o + 1) * inputs).div_ceil(outputs)
}

/// Windows that hold element `i`. `floor(o a / b) <= i` where `o a < (i + 1) b`, and
/// `ceil((o + 1) a / b) > i` where `(o + 1) a > i b`: the rule of [`window`], roles exchanged.
fn windows_over(i: usize, inputs: usize, outputs: usize) -> Range<usize> {
    window(i, outputs, inputs)
}

fn as_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("a window is no larger than a tensor"))
}

fn lowerings(
    name: &'static str,
    sizes: ([usize; 2], [usize; 2]),
    (elements, channels): (usize, usize),
    wgsl: &str,
    caps: &Caps,
) -> Vec<Lowering> {
    let ([h, w], [oh, ow]) = sizes;
    let lower = |&lanes: &Lanes| {
        let constants = [("H", h), ("W", w), ("OH", oh), ("OW", ow)];
        let kernel = lanes.declare(Kernel::new(name)).constant("GROUPS", channels / lanes.count());
        let kernel = constants.into_iter().fold(kernel, |k, (name, value)| k.constant(name, value));
        let kernel = kernel
            .flat(elements / lanes.count(), 64, caps)
            .read(Operand::Input(0))
            .write(Operand::Output(0))
            .file(include_str!("../../../shaders/common/adaptive_windows.wgsl"))
            .file(wgsl);
        Lowering::single(&lanes.variant("one_per_thread"), kernel)
    };
    Lanes::fitting(channels).iter().map(lower).collect()
}

/// Largest number of elements that `outputs` windows over `inputs` elements hold.
fn longest(inputs: usize, outputs: usize) -> usize {
    (0..outputs).map(|o| window(o, inputs, outputs).len()).max().unwrap_or(1)
}

impl AdaptiveAvgPool2d {
    /// Lines of the output in parallel, all channels of a pixel at once.
    fn lines(&self, io: &mut HostIo<'_, f32>) {
        let x = io.inputs.float(0);
        let [_, h, w, c] = io.inputs.dims(0);
        let [oh, ow] = self.output;
        for_each_chunk(io.outputs.float(0), ow * c, &|line, y| {
            let (n, rows) = (line / oh, window(line % oh, h, oh));
            for (ox, y) in y.chunks_mut(c).enumerate() {
                let columns = window(ox, w, ow);
                let weight = f32::from_f64(1.0 / as_f64(rows.len() * columns.len()));
                y.fill(0.0);
                for iy in rows.clone() {
                    for pixel in
                        x[(n * h + iy) * w * c..].chunks(c).take(columns.end).skip(columns.start)
                    {
                        add(pixel, 1.0, y);
                    }
                }
                for y in y {
                    *y *= weight;
                }
            }
        });
    }
}

/// `y += factor x`
fn add(x: &[f32], factor: f32, y: &mut [f32]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += factor * x;
    }
}

impl OpDef for AdaptiveAvgPool2d {
    const NAME: &'static str = "adaptive_avg_pool2d";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x] = operands(Self::NAME, inputs)?;
        let [n, h, w, c] = images(Self::NAME, ("x", x))?;
        let [oh, ow] = self.output;
        if [h, w, oh, ow].contains(&0) {
            return Err(ShapeError::new(
                Self::NAME,
                format!("{h} x {w} elements make {oh} x {ow}: both must be at least 1 x 1"),
            ));
        }
        Ok(vec![TensorType::f32([n, oh, ow, c])])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let x = io.inputs.float(0);
        let [_, h, w, c_count] = io.inputs.dims(0);
        let [oh, ow] = self.output;
        for_each_chunk(io.outputs.float(0), c_count, &|row, y| {
            let (ox, oy, n) = (row % ow, row / ow % oh, row / (ow * oh));
            let (rows, columns) = (window(oy, h, oh), window(ox, w, ow));
            let size = as_f64(rows.len() * columns.len());
            for (c, y) in y.iter_mut().enumerate() {
                let mut sum = 0.0;
                for iy in rows.clone() {
                    for ix in columns.clone() {
                        sum += x[((n * h + iy) * w + ix) * c_count + c].to_f64();
                    }
                }
                *y = T::from_f64(sum / size);
            }
        });
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let &[_, h, w, c] = sig.inputs[0].dims() else { return Vec::new() };
        let wgsl = include_str!("../../../shaders/pool/adaptive_avg_pool2d.wgsl");
        let elements = sig.outputs[0].elements();
        lowerings(Self::NAME, ([h, w], self.output), (elements, c), wgsl, caps)
    }

    fn host_kernels(&self, _sig: &Signature) -> Vec<HostKernel> {
        let op = self.clone();
        vec![HostKernel::new("lines", move |io, _| op.lines(io))]
    }

    fn vjp(&self, v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        let Some(dy) = v.dy(0) else { return Ok(()) };
        let [_, h, w, _] = v.ty(v.x(0)).ranked("adaptive_avg_pool2d", "x")?;
        let dx = v.push(AdaptiveAvgPool2dGrad { input: [h, w] }, &[dy])?;
        v.set(0, dx);
        Ok(())
    }

    fn tolerance(&self, sig: &Signature) -> Tolerance {
        match sig.inputs[0].dims() {
            &[_, h, w, _] => {
                let [oh, ow] = self.output;
                Tolerance::sum_of(longest(h, oh) * longest(w, ow))
            }
            _ => Tolerance::EXACT,
        }
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, sig.inputs[0].elements().max(sig.outputs[0].elements()))
    }

    fn cases() -> Vec<Case> {
        let case = |(dims, output): ([usize; 4], [usize; 2])| {
            Case::new(name_of(dims, output), AdaptiveAvgPool2d { output }).normal(dims)
        };
        let mut cases: Vec<Case> = SHAPES.into_iter().map(case).collect();
        cases.push(
            Case::new("non_finite", AdaptiveAvgPool2d { output: [2, 3] })
                .input(TensorType::f32([3, 3, 4, 7]), Fill::Special)
                .forward_only(),
        );
        cases.push(case(([16, 13, 13, 256], [6, 6])).bench());
        cases
    }
}

impl AdaptiveAvgPool2dGrad {
    /// Lines of the input in parallel; each pixel gathers from the windows that hold it.
    fn lines(&self, io: &mut HostIo<'_, f32>) {
        let dy = io.inputs.float(0);
        let [_, oh, ow, c] = io.inputs.dims(0);
        let [h, w] = self.input;
        for_each_chunk(io.outputs.float(0), w * c, &|line, dx| {
            let (n, rows) = (line / h, windows_over(line % h, h, oh));
            for (ix, dx) in dx.chunks_mut(c).enumerate() {
                dx.fill(0.0);
                for oy in rows.clone() {
                    for ox in windows_over(ix, w, ow) {
                        let size = window(oy, h, oh).len() * window(ox, w, ow).len();
                        let dy = &dy[((n * oh + oy) * ow + ox) * c..][..c];
                        add(dy, f32::from_f64(1.0 / as_f64(size)), dx);
                    }
                }
            }
        });
    }
}

impl OpDef for AdaptiveAvgPool2dGrad {
    const NAME: &'static str = "adaptive_avg_pool2d_grad";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [dy] = operands(Self::NAME, inputs)?;
        let [n, _, _, c] = images(Self::NAME, ("dy", dy))?;
        let [h, w] = self.input;
        let dx = TensorType::f32([n, h, w, c]);
        images(Self::NAME, ("dx", &dx))?;
        Ok(vec![dx])
    }

    /// Spreads each element of `dy` over its window, image by image.
    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let dy = io.inputs.float(0);
        let [_, oh, ow, c_count] = io.inputs.dims(0);
        let [h, w] = self.input;
        for_each_chunk(io.outputs.float(0), h * w * c_count, &|n, dx| {
            let mut sums = vec![0.0_f64; dx.len()];
            for oy in 0..oh {
                for ox in 0..ow {
                    let (rows, columns) = (window(oy, h, oh), window(ox, w, ow));
                    let size = as_f64(rows.len() * columns.len());
                    for (iy, ix) in rows.flat_map(|iy| columns.clone().map(move |ix| (iy, ix))) {
                        for c in 0..c_count {
                            let share = dy[((n * oh + oy) * ow + ox) * c_count + c].to_f64() / size;
                            sums[(iy * w + ix) * c_count + c] += share;
                        }
                    }
                }
            }
            for (dx, sum) in dx.iter_mut().zip(sums) {
                *dx = T::from_f64(sum);
            }
        });
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let &[_, oh, ow, c] = sig.inputs[0].dims() else { return Vec::new() };
        let wgsl = include_str!("../../../shaders/pool/adaptive_avg_pool2d_grad.wgsl");
        let elements = sig.outputs[0].elements();
        lowerings(Self::NAME, (self.input, [oh, ow]), (elements, c), wgsl, caps)
    }

    fn host_kernels(&self, _sig: &Signature) -> Vec<HostKernel> {
        let op = self.clone();
        vec![HostKernel::new("lines", move |io, _| op.lines(io))]
    }

    fn tolerance(&self, sig: &Signature) -> Tolerance {
        match sig.inputs[0].dims() {
            // As many windows as hold one element are summed.
            &[_, oh, ow, _] => {
                Tolerance::sum_of(longest(oh, self.input[0]) * longest(ow, self.input[1]))
            }
            _ => Tolerance::EXACT,
        }
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, sig.inputs[0].elements().max(sig.outputs[0].elements()))
    }

    fn cases() -> Vec<Case> {
        let case = |([n, h, w, c], [oh, ow]): ([usize; 4], [usize; 2])| {
            Case::new(name_of([n, h, w, c], [oh, ow]), AdaptiveAvgPool2dGrad { input: [h, w] })
                .normal([n, oh, ow, c])
        };
        let mut cases: Vec<Case> =
            SHAPES.into_iter().map(|shapes| case(shapes).forward_only()).collect();
        cases.push(case(([16, 13, 13, 256], [6, 6])).bench());
        cases
    }
}

/// Input `[n, h, w, c]` and height and width of the output: equal, dividing, overlapping, repeating.
const SHAPES: [([usize; 4], [usize; 2]); 7] = [
    ([1, 1, 1, 1], [1, 1]),
    ([2, 6, 6, 4], [6, 6]),
    ([2, 6, 4, 3], [3, 2]),
    ([2, 7, 5, 3], [3, 2]),
    ([1, 9, 10, 8], [6, 7]),
    ([2, 3, 1, 4], [7, 6]),
    ([1, 5, 13, 5], [7, 7]),
];

fn name_of([n, h, w, c]: [usize; 4], [oh, ow]: [usize; 2]) -> String {
    format!("{n}x{h}x{w}x{c}_to_{oh}x{ow}")
}
