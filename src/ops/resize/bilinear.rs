//! Larger images, linearly between the centers of pixels, and the gradient.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::error::ShapeError;
use crate::graph::{
    Caps, Case, Cost, Fill, HalfForm, HostIo, HostKernel, Kernel, Lowering, OpDef, Operand,
    Signature, Vjp,
};
use crate::ops::kit::{Lanes, of_dtype, operands};
use crate::tensor::parallel::for_each_chunk;
use crate::tensor::{DType, Real, TensorType, Tolerance};

/// `y[n, oy, ox, c] = sum wy wx x[n, iy, ix, c]` over the pixels between whose centers that of the output
/// lies: at `s = max((oy + 1/2) / factor - 1/2, 0)` they are rows `floor(s)` and, where there is a part
/// of it, the one below, by `1 - (s - floor(s))` and the rest; columns likewise. Beyond the outermost
/// centers, the outermost pixel counts alone.
///
/// Input: `x` `[n, h, w, c]`. Output: `[n, h factor[0], w factor[1], c]`. Semantics of
/// `torch.nn.Upsample(mode="bilinear", align_corners=False)` and of Keras'
/// `UpSampling2D(interpolation="bilinear")`; a pixel that counts by nothing is not read, even where it is
/// not finite.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResizeBilinear {
    /// How many times as high and as wide images become.
    pub factor: [usize; 2],
}

/// `dx[n, iy, ix, c] = sum wy wx dy[n, oy, ox, c]` over the outputs of [`ResizeBilinear`] that the pixel
/// is part of.
///
/// Input: `dy` `[n, h factor[0], w factor[1], c]`. Output: `[n, h, w, c]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResizeBilinearGrad {
    /// How many times as high and as wide images became.
    pub factor: [usize; 2],
}

/// Place of the center of output `o`, in parts of which `2 factor` lie between two inputs, from the
/// center of the first one; beyond the outer centers, that of the nearest.
fn center_of(o: usize, inputs: usize, factor: usize) -> usize {
    (2 * o + 1).saturating_sub(factor).min(2 * factor * (inputs - 1))
}

/// Inputs that output `o` is made of: those less than one element away.
fn inputs_of(o: usize, inputs: usize, factor: usize) -> Range<usize> {
    let center = center_of(o, inputs, factor);
    let begin = center / (2 * factor);
    begin..begin + 1 + usize::from(!center.is_multiple_of(2 * factor))
}

/// Outputs that input `i` is part of. The center of `o` lies above that of `i - 1` where
/// `2 o + 1 - factor > 2 factor (i - 1)`, and below that of `i + 1` likewise.
fn outputs_of(i: usize, inputs: usize, factor: usize) -> Range<usize> {
    let begin = if i == 0 { 0 } else { factor * (i - 1) + (factor - 1) / 2 + 1 };
    begin..(factor * (i + 1) + factor / 2).min(factor * inputs)
}

/// The part of input `i` in output `o`, which it is part of, times `2 factor`.
fn weight_of(o: usize, i: usize, inputs: usize, factor: usize) -> f64 {
    as_f64(2 * factor - center_of(o, inputs, factor).abs_diff(2 * factor * i))
}

/// The product of two weights, one for each axis, has this factor.
fn scale([height, width]: [usize; 2]) -> f64 {
    1.0 / (4.0 * as_f64(height) * as_f64(width))
}

fn as_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("sizes of images fit 32 bits"))
}

/// `y += factor x`
fn add(x: &[f32], factor: f32, y: &mut [f32]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += factor * x;
    }
}

/// Dimensions of images that are not empty.
fn images(op: &str, (name, ty): (&str, &TensorType)) -> Result<[usize; 4], ShapeError> {
    of_dtype(op, (name, ty), DType::F32)?;
    let dims = ty.ranked(op, name)?;
    if ty.elements() == 0 {
        return Err(ShapeError::new(op, format!("{name} must not be empty, it is {ty}")));
    }
    Ok(dims)
}

/// The kernels of both ops: `sizes` are those of the smaller image.
fn lowerings(
    name: &'static str,
    (sizes, factor): ([usize; 2], [usize; 2]),
    (elements, channels): (usize, usize),
    wgsl: &str,
    caps: &Caps,
) -> Vec<Lowering> {
    let ([h, w], [fh, fw]) = (sizes, factor);
    let lower = |&lanes: &Lanes| {
        let constants =
            [("H", h), ("W", w), ("FH", fh), ("FW", fw), ("OH", h * fh), ("OW", w * fw)];
        let kernel = lanes.declare(Kernel::new(name)).constant("GROUPS", channels / lanes.count());
        let kernel = constants.into_iter().fold(kernel, |k, (name, value)| k.constant(name, value));
        let kernel = kernel
            .constant_f32("SCALE", f32::from_f64(scale(factor)))
            .flat(elements / lanes.count(), 64, caps)
            .read(Operand::Input(0))
            .write(Operand::Output(0))
            .file(include_str!("../../../shaders/common/bilinear_weights.wgsl"))
            .file(wgsl);
        Lowering::single(&lanes.variant("one_per_thread"), kernel)
    };
    Lanes::fitting(channels).iter().map(lower).collect()
}

impl ResizeBilinear {
    /// Lines of the output in parallel, all channels of a pixel at once.
    fn lines(&self, io: &mut HostIo<'_, f32>) {
        let x = io.inputs.float(0);
        let [_, h, w, c] = io.inputs.dims(0);
        let [fh, fw] = self.factor;
        let (oh, ow) = (h * fh, w * fw);
        let scale = scale(self.factor);
        for_each_chunk(io.outputs.float(0), ow * c, &|line, y| {
            let (n, oy) = (line / oh, line % oh);
            for (ox, y) in y.chunks_mut(c).enumerate() {
                y.fill(0.0);
                for iy in inputs_of(oy, h, fh) {
                    let height = scale * weight_of(oy, iy, h, fh);
                    for ix in inputs_of(ox, w, fw) {
                        let weight = f32::from_f64(height * weight_of(ox, ix, w, fw));
                        add(&x[((n * h + iy) * w + ix) * c..][..c], weight, y);
                    }
                }
            }
        });
    }
}

/// Rows or columns that an output is made of, and by how much, in f64: as PyTorch finds them.
fn taps(o: usize, inputs: usize, factor: usize) -> Vec<(usize, f64)> {
    let place = ((as_f64(o) + 0.5) / as_f64(factor) - 0.5).max(0.0);
    let mut first = 0;
    while first + 1 < inputs && as_f64(first + 1) <= place {
        first += 1;
    }
    let rest = place - as_f64(first);
    if rest == 0.0 || first + 1 == inputs {
        return vec![(first, 1.0)];
    }
    vec![(first, 1.0 - rest), (first + 1, rest)]
}

impl OpDef for ResizeBilinear {
    const NAME: &'static str = "resize_bilinear";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x] = operands(Self::NAME, inputs)?;
        let [n, h, w, c] = images(Self::NAME, ("x", x))?;
        let [fh, fw] = self.factor;
        if fh == 0 || fw == 0 {
            let message = format!("factor {fh} x {fw}: both must be at least 1");
            return Err(ShapeError::new(Self::NAME, message));
        }
        let sizes = [n, h, fh, w, fw, c].into_iter().try_fold(1_usize, usize::checked_mul);
        // Places are counted in halves of an output, by 32 bits.
        if sizes.is_none_or(|elements| elements > u32::MAX as usize / 2) {
            let message = format!("{h} x {w} pixels times {fh} x {fw} are too many: give less");
            return Err(ShapeError::new(Self::NAME, message));
        }
        Ok(vec![TensorType::f32([n, h * fh, w * fw, c])])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let x = io.inputs.float(0);
        let [_, h, w, c_count] = io.inputs.dims(0);
        let [fh, fw] = self.factor;
        let (oh, ow) = (h * fh, w * fw);
        for_each_chunk(io.outputs.float(0), c_count, &|row, y| {
            let (ox, oy, n) = (row % ow, row / ow % oh, row / (ow * oh));
            let (rows, columns) = (taps(oy, h, fh), taps(ox, w, fw));
            for (c, y) in y.iter_mut().enumerate() {
                let mut sum = 0.0;
                for &(iy, height) in &rows {
                    for &(ix, width) in &columns {
                        sum += height * width * x[((n * h + iy) * w + ix) * c_count + c].to_f64();
                    }
                }
                *y = T::from_f64(sum);
            }
        });
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let &[_, h, w, c] = sig.inputs[0].dims() else { return Vec::new() };
        let wgsl = include_str!("../../../shaders/resize/resize_bilinear.wgsl");
        let elements = sig.outputs[0].elements();
        lowerings(Self::NAME, ([h, w], self.factor), (elements, c), wgsl, caps)
    }

    fn host_kernels(&self, _sig: &Signature) -> Vec<HostKernel> {
        let op = self.clone();
        vec![HostKernel::new("lines", move |io, _| op.lines(io))]
    }

    fn half_forms(&self) -> &'static [HalfForm] {
        HalfForm::FIRST
    }

    fn vjp(&self, v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        let Some(dy) = v.dy(0) else { return Ok(()) };
        let dx = v.push(ResizeBilinearGrad { factor: self.factor }, &[dy])?;
        v.set(0, dx);
        Ok(())
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        // Four terms. The weight of each is a rounded constant in two rounded products.
        Tolerance::sum_of(4)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        // Four products and sums.
        Cost::of(sig, 8 * sig.outputs[0].elements())
    }

    fn cases() -> Vec<Case> {
        let case = |(dims, factor): ([usize; 4], [usize; 2])| {
            Case::new(name_of(dims, factor), ResizeBilinear { factor }).normal(dims)
        };
        let mut cases: Vec<Case> = SHAPES.into_iter().map(case).collect();
        cases.push(
            Case::new("non_finite", ResizeBilinear { factor: [2, 3] })
                .input(TensorType::f32([3, 3, 4, 7]), Fill::Special)
                .forward_only(),
        );
        cases.push(case(([16, 32, 32, 64], [2, 2])).bench());
        cases
    }
}

impl ResizeBilinearGrad {
    /// Lines of the smaller image in parallel; each pixel gathers from the outputs that it is part of.
    fn lines(&self, io: &mut HostIo<'_, f32>) {
        let dy = io.inputs.float(0);
        let [_, oh, ow, c] = io.inputs.dims(0);
        let [fh, fw] = self.factor;
        let (h, w) = (oh / fh, ow / fw);
        let scale = scale(self.factor);
        for_each_chunk(io.outputs.float(0), w * c, &|line, dx| {
            let (n, iy) = (line / h, line % h);
            for (ix, dx) in dx.chunks_mut(c).enumerate() {
                dx.fill(0.0);
                for oy in outputs_of(iy, h, fh) {
                    let height = scale * weight_of(oy, iy, h, fh);
                    for ox in outputs_of(ix, w, fw) {
                        let weight = f32::from_f64(height * weight_of(ox, ix, w, fw));
                        add(&dy[((n * oh + oy) * ow + ox) * c..][..c], weight, dx);
                    }
                }
            }
        });
    }
}

impl OpDef for ResizeBilinearGrad {
    const NAME: &'static str = "resize_bilinear_grad";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [dy] = operands(Self::NAME, inputs)?;
        let [n, oh, ow, c] = images(Self::NAME, ("dy", dy))?;
        let [fh, fw] = self.factor;
        if fh == 0 || fw == 0 || !oh.is_multiple_of(fh) || !ow.is_multiple_of(fw) {
            let message = format!("dy is {dy}: factor {fh} x {fw} must divide height and width");
            return Err(ShapeError::new(Self::NAME, message));
        }
        if dy.elements() > u32::MAX as usize / 2 {
            let message = format!("dy is {dy}: expected at most {} elements", u32::MAX / 2);
            return Err(ShapeError::new(Self::NAME, message));
        }
        Ok(vec![TensorType::f32([n, oh / fh, ow / fw, c])])
    }

    /// Spreads each element of `dy` over the pixels that it is made of, image by image.
    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let dy = io.inputs.float(0);
        let [_, oh, ow, c_count] = io.inputs.dims(0);
        let [fh, fw] = self.factor;
        let (h, w) = (oh / fh, ow / fw);
        for_each_chunk(io.outputs.float(0), h * w * c_count, &|n, dx| {
            let mut sums = vec![0.0_f64; dx.len()];
            for oy in 0..oh {
                for ox in 0..ow {
                    for (iy, height) in taps(oy, h, fh) {
                        for (ix, width) in taps(ox, w, fw) {
                            for c in 0..c_count {
                                let dy = dy[((n * oh + oy) * ow + ox) * c_count + c].to_f64();
                                sums[(iy * w + ix) * c_count + c] += height * width * dy;
                            }
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
        let &[_, h, w, c] = sig.outputs[0].dims() else { return Vec::new() };
        let wgsl = include_str!("../../../shaders/resize/resize_bilinear_grad.wgsl");
        let elements = sig.outputs[0].elements();
        lowerings(Self::NAME, ([h, w], self.factor), (elements, c), wgsl, caps)
    }

    fn host_kernels(&self, _sig: &Signature) -> Vec<HostKernel> {
        let op = self.clone();
        vec![HostKernel::new("lines", move |io, _| op.lines(io))]
    }

    fn half_forms(&self) -> &'static [HalfForm] {
        HalfForm::FIRST
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        // A pixel is part of up to twice the factor of rows and of columns.
        Tolerance::sum_of(4 * self.factor[0] * self.factor[1])
    }

    fn cost(&self, sig: &Signature) -> Cost {
        // Each element of dy goes to four pixels, by a product and a sum.
        Cost::of(sig, 8 * sig.inputs[0].elements())
    }

    fn cases() -> Vec<Case> {
        let case = |([n, h, w, c], [fh, fw]): ([usize; 4], [usize; 2])| {
            let op = ResizeBilinearGrad { factor: [fh, fw] };
            Case::new(name_of([n, h, w, c], [fh, fw]), op).normal([n, h * fh, w * fw, c])
        };
        let mut cases: Vec<Case> =
            SHAPES.into_iter().map(|shapes| case(shapes).forward_only()).collect();
        cases.push(
            Case::new("non_finite", ResizeBilinearGrad { factor: [3, 2] })
                .input(TensorType::f32([2, 9, 6, 5]), Fill::Special)
                .forward_only(),
        );
        cases.push(case(([16, 32, 32, 64], [2, 2])).bench());
        cases
    }
}

/// Images `[n, h, w, c]` and factors: one pixel, factors of one, even and odd ones, ones larger than the
/// image, few and many channels.
const SHAPES: [([usize; 4], [usize; 2]); 10] = [
    ([1, 1, 1, 1], [1, 1]),
    ([2, 3, 5, 4], [1, 1]),
    ([2, 4, 3, 4], [2, 2]),
    ([1, 5, 7, 3], [3, 2]),
    ([2, 1, 1, 5], [4, 3]),
    ([1, 2, 3, 8], [4, 4]),
    ([2, 3, 2, 2], [7, 5]),
    ([1, 6, 1, 6], [1, 3]),
    ([2, 1, 6, 1], [2, 1]),
    ([1, 3, 4, 68], [2, 3]),
];

fn name_of([n, h, w, c]: [usize; 4], [fh, fw]: [usize; 2]) -> String {
    format!("{n}x{h}x{w}x{c}_by_{fh}x{fw}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The outputs of an input are those that have it as an input, and weights of an output sum to one.
    #[test]
    fn inputs_and_outputs_belong_together() {
        for (inputs, factor) in (1..6).flat_map(|inputs| (1..9).map(move |f| (inputs, f))) {
            for i in 0..inputs {
                let all: Vec<usize> = (0..inputs * factor)
                    .filter(|&o| inputs_of(o, inputs, factor).contains(&i))
                    .collect();
                let range: Vec<usize> = outputs_of(i, inputs, factor).collect();
                assert_eq!(range, all, "input {i} of {inputs} times {factor}");
            }
            for o in 0..inputs * factor {
                let weights = inputs_of(o, inputs, factor).map(|i| weight_of(o, i, inputs, factor));
                assert_eq!(weights.sum::<f64>(), as_f64(2 * factor), "output {o} of {inputs}");
            }
        }
    }
}
