//! Depthwise convolutions on the CPU: each output channel reads one input channel, so that there is
//! no product of matrices. The compiler vectorizes loops over the channels of a pixel.
//!
//! Where an input channel has several output channels, the input is repeated in scratch memory
//! first.

use super::{TASKS, add_parts};
use crate::graph::{HostIo, HostKernel};
use crate::ops::product::conv2d::geometry::Sizes;
use crate::ops::product::conv2d::{Conv2d, Conv2dInputGrad, Conv2dWeightGrad, ConvGeometry};
use crate::tensor::parallel::for_each_chunk;

const VARIANT: &str = "depthwise";
/// Products that are added at once.
const JOINED: usize = 3;
/// Most taps of a window.
const MOST_TAPS: usize = 128;

pub(super) fn applies(sizes: &Sizes) -> bool {
    sizes.group_c == 1 && sizes.c > 1 && sizes.kh * sizes.kw <= MOST_TAPS
}

/// Elements of the input once its channels are repeated: none where they need not be.
fn repeated_len(sizes: &Sizes) -> usize {
    if sizes.group_oc == 1 { 0 } else { sizes.in_pixels() * sizes.oc }
}

/// The pixels that the taps of one window read, or the windows that read one pixel.
struct Taps {
    /// Pixel and tap.
    list: [(usize, usize); MOST_TAPS],
    count: usize,
}

impl Taps {
    const fn new() -> Self {
        Self { list: [(0, 0); MOST_TAPS], count: 0 }
    }

    /// Takes the taps whose two positions there are, on lines of `columns` pixels, where the first
    /// line is number `first`.
    fn collect(
        &mut self,
        [kh, kw]: [usize; 2],
        [first, columns]: [usize; 2],
        line: impl Fn(usize) -> Option<usize>,
        column: impl Fn(usize) -> Option<usize>,
    ) {
        self.count = 0;
        for ky in 0..kh {
            let Some(y) = line(ky) else { continue };
            for kx in 0..kw {
                let Some(x) = column(kx) else { continue };
                self.list[self.count] = ((first + y) * columns + x, ky * kw + kx);
                self.count += 1;
            }
        }
    }

    /// `y[c]` = sum of `x[pixel, c] weights[tap, c]`
    fn sum(&self, x: &[f32], weights: &[f32], y: &mut [f32]) {
        let c = y.len();
        y.fill(0.0);
        for taps in self.list[..self.count].chunks(JOINED) {
            let factors = |i: usize| {
                let (pixel, tap) = taps[i];
                [&x[pixel * c..][..c], &weights[tap * c..][..c]]
            };
            if taps.len() == JOINED {
                add_three([0, 1, 2].map(factors), y);
            } else {
                (0..taps.len()).for_each(|i| add_one(factors(i), y));
            }
        }
    }
}

/// `y += a b`
fn add_one([a, b]: [&[f32]; 2], y: &mut [f32]) {
    for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
        *y += a * b;
    }
}

/// `y += a b` for three products at once, so that `y` is loaded and stored once for all.
fn add_three([[a0, b0], [a1, b1], [a2, b2]]: [[&[f32]; 2]; JOINED], y: &mut [f32]) {
    let products = a0.iter().zip(b0).zip(a1.iter().zip(b1)).zip(a2.iter().zip(b2));
    for (y, (((a0, b0), (a1, b1)), (a2, b2))) in y.iter_mut().zip(products) {
        *y += a0 * b0 + a1 * b1 + a2 * b2;
    }
}

pub(super) fn forward(op: &Conv2d, sizes: Sizes) -> HostKernel {
    let geometry = op.geometry.clone();
    let tail = op.tail();
    let Sizes { h, w, kh, kw, oh, ow, oc, .. } = sizes;
    let run = move |io: &mut HostIo<'_, f32>, scratch: &mut [f32]| {
        let x = repeated(&sizes, io.inputs.float(0), scratch);
        let weights = io.inputs.float(1);
        let tail = tail.operands(&io.inputs);
        for_each_chunk(io.outputs.float(0), ow * oc, &|row, y| {
            let (n, oy) = (row / oh, row % oh);
            let mut taps = Taps::new();
            for (ox, y) in y.chunks_mut(oc).enumerate() {
                let line = |ky| geometry.tap(0, oy, ky, h);
                taps.collect([kh, kw], [n * h, w], line, |kx| geometry.tap(1, ox, kx, w));
                taps.sum(x, weights, y);
            }
            tail.finish(row * ow * oc, y);
        });
    };
    HostKernel::new(VARIANT, run).with_scratch(repeated_len(&sizes))
}

pub(super) fn input_grad(op: &Conv2dInputGrad, sizes: Sizes) -> HostKernel {
    let geometry = op.geometry.clone();
    let tail = op.tail();
    let Sizes { h, w, c, kh, kw, oh, ow, oc, group_oc, .. } = sizes;
    let run = move |io: &mut HostIo<'_, f32>, scratch: &mut [f32]| {
        let (dy, weights) = (io.inputs.float(0), io.inputs.float(1));
        let tail = tail.operands(&io.inputs);
        let dx = io.outputs.float(0);
        let to = if group_oc == 1 { &mut *dx } else { &mut *scratch };
        for_each_chunk(to, w * oc, &|row, dx| {
            let (n, iy) = (row / h, row % h);
            let mut taps = Taps::new();
            for (ix, dx) in dx.chunks_mut(oc).enumerate() {
                let line = |ky| geometry.window_of(0, iy, ky, oh);
                let column = |kx| geometry.window_of(1, ix, kx, ow);
                taps.collect([kh, kw], [n * oh, ow], line, column);
                taps.sum(dy, weights, dx);
            }
            if group_oc == 1 {
                tail.finish(row * w * c, dx);
            }
        });
        if group_oc > 1 {
            let repeated = &*scratch;
            for_each_chunk(dx, w * c, &|row, dx| {
                let repeated = repeated[row * w * oc..].chunks_exact(group_oc);
                for (dx, repeated) in dx.iter_mut().zip(repeated) {
                    *dx = repeated.iter().sum();
                }
                tail.finish(row * w * c, dx);
            });
        }
    };
    HostKernel::new(VARIANT, run).with_scratch(repeated_len(&sizes))
}

/// The input with each channel as often as it is read.
fn repeated<'a>(sizes: &Sizes, x: &'a [f32], scratch: &'a mut [f32]) -> &'a [f32] {
    if sizes.group_oc == 1 {
        return x;
    }
    let [line, repeated_line] = [sizes.w * sizes.c, sizes.w * sizes.oc];
    for_each_chunk(scratch, repeated_line, &|row, repeated| {
        let x = &x[row * line..][..line];
        for (repeated, x) in repeated.chunks_exact_mut(sizes.group_oc).zip(x) {
            repeated.fill(*x);
        }
    });
    scratch
}

pub(super) fn weight_grad(op: &Conv2dWeightGrad, sizes: Sizes) -> HostKernel {
    let geometry = op.geometry.clone();
    let Sizes { n, kh, kw, oh, oc, .. } = sizes;
    let lines = n * oh;
    // Parts of the sum, added in order at the end.
    let part_lines = lines.div_ceil(TASKS);
    let (parts, len) = (lines.div_ceil(part_lines), kh * kw * oc);
    let run = move |io: &mut HostIo<'_, f32>, scratch: &mut [f32]| {
        let (sums, scratch) = scratch.split_at_mut(parts * len);
        let x = repeated(&sizes, io.inputs.float(0), scratch);
        let dy = io.inputs.float(1);
        for_each_chunk(sums, len, &|part, sums| {
            sums.fill(0.0);
            for line in part * part_lines..lines.min((part + 1) * part_lines) {
                add_line(&geometry, &sizes, line, [x, dy], sums);
            }
        });
        add_parts(sums, len, io.outputs.float(0));
    };
    HostKernel::new(VARIANT, run).with_scratch(parts * len + repeated_len(&sizes))
}

/// Adds what a line of output pixels contributes to the gradient of the weights.
fn add_line(
    geometry: &ConvGeometry,
    sizes: &Sizes,
    line: usize,
    [x, dy]: [&[f32]; 2],
    sums: &mut [f32],
) {
    let &Sizes { h, w, kh, kw, oh, ow, oc, .. } = sizes;
    let dy = &dy[line * ow * oc..][..ow * oc];
    for (ky, kx) in (0..kh).flat_map(|ky| (0..kw).map(move |kx| (ky, kx))) {
        let Some(iy) = geometry.tap(0, line % oh, ky, h) else { continue };
        let x = &x[(line / oh * h + iy) * w * oc..][..w * oc];
        // The windows whose tap lies in the input follow one another.
        let inside = |ox: &usize| geometry.tap(1, *ox, kx, w).is_some();
        let Some(first) = (0..ow).find(inside) else { continue };
        let last = (first..ow).rfind(inside).unwrap_or(first);
        let Some(start) = geometry.tap(1, first, kx, w) else { continue };
        let sums = &mut sums[(ky * kw + kx) * oc..][..oc];
        let factors = |ox: usize| {
            let pixel = start + (ox - first) * geometry.stride[1];
            [&x[pixel * oc..][..oc], &dy[ox * oc..][..oc]]
        };
        let mut ox = first;
        while ox + JOINED <= last + 1 {
            add_three([ox, ox + 1, ox + 2].map(factors), sums);
            ox += JOINED;
        }
        (ox..=last).for_each(|ox| add_one(factors(ox), sums));
    }
}
