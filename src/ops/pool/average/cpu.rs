//! Averages over windows and over whole images on the CPU, and their gradients: channel by channel
//! along each pixel, which the compiler vectorizes.

use crate::graph::{HostIo, HostKernel};
use crate::ops::pool::geometry::PoolGeometry;
use crate::ops::pool::max::for_each_tap;
use crate::ops::pool::{AvgPool2d, AvgPool2dGrad};
use crate::tensor::Real;
use crate::tensor::parallel::for_each_chunk;

/// Channels that are averaged over an image at once: those of a line of the cache.
const LANES: usize = 16;
/// Pixels that are summed in f32, before their sum is added in f64.
const PIXELS: usize = 64;

pub(in crate::ops::pool) fn forward(op: &AvgPool2d) -> Vec<HostKernel> {
    let op = op.clone();
    vec![HostKernel::new("lines", move |io, _| pool(&op, io))]
}

pub(in crate::ops::pool) fn gradient(op: &AvgPool2dGrad) -> Vec<HostKernel> {
    let op = op.clone();
    vec![HostKernel::new("images", move |io, _| unpool(&op, io))]
}

/// `1 / count` of a window with `inside` elements in the input; `padded` are those that count where
/// padding does.
fn weight(padded: Option<usize>, inside: usize) -> f32 {
    f32::from_f64(1.0 / as_f64(padded.unwrap_or(inside)))
}

/// Elements of a window that count where padding does.
fn padded(
    geometry: &PoolGeometry,
    count_include_pad: bool,
    at: [usize; 2],
    input: [usize; 2],
) -> Option<usize> {
    count_include_pad.then(|| geometry.padded_count(at, input))
}

fn as_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("shapes fit 32 bits"))
}

/// Output lines in parallel.
fn pool(op: &AvgPool2d, io: &mut HostIo<'_, f32>) {
    let x = io.inputs.float(0);
    let [_, h, w, c] = io.inputs.dims(0);
    let [_, oh, ow, _] = io.outputs.dims(0);
    for_each_chunk(io.outputs.float(0), ow * c, &|line, y| {
        let (n, oy) = (line / oh, line % oh);
        for (ox, y) in y.chunks_mut(c).enumerate() {
            y.fill(0.0);
            let mut inside = 0;
            for_each_tap(&op.geometry, [oy, ox], [h, w], |_, pixel| {
                add(&x[(n * h * w + pixel) * c..][..c], 1.0, y);
                inside += 1;
            });
            let padded = padded(&op.geometry, op.count_include_pad, [oy, ox], [h, w]);
            let weight = weight(padded, inside);
            for y in y {
                *y *= weight;
            }
        }
    });
}

/// Images in parallel.
fn unpool(op: &AvgPool2dGrad, io: &mut HostIo<'_, f32>) {
    let dy = io.inputs.float(0);
    let [_, oh, ow, c] = io.inputs.dims(0);
    let [h, w] = op.input;
    for_each_chunk(io.outputs.float(0), h * w * c, &|n, dx| {
        dx.fill(0.0);
        for (oy, ox) in (0..oh).flat_map(|oy| (0..ow).map(move |ox| (oy, ox))) {
            let dy = &dy[((n * oh + oy) * ow + ox) * c..][..c];
            let mut inside = 0;
            for_each_tap(&op.geometry, [oy, ox], [h, w], |_, _| inside += 1);
            let padded = padded(&op.geometry, op.count_include_pad, [oy, ox], [h, w]);
            let weight = weight(padded, inside);
            for_each_tap(&op.geometry, [oy, ox], [h, w], |_, pixel| {
                add(dy, weight, &mut dx[pixel * c..][..c]);
            });
        }
    });
}

/// `y += factor x`
fn add(x: &[f32], factor: f32, y: &mut [f32]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += factor * x;
    }
}

pub(in crate::ops::pool) fn global() -> Vec<HostKernel> {
    vec![HostKernel::new("images", |io, _| {
        let x = io.inputs.float(0);
        let [_, h, w, c] = io.inputs.dims(0);
        for_each_chunk(io.outputs.float(0), c, &|n, y| {
            let image = &x[n * h * w * c..][..h * w * c];
            for (group, y) in y.chunks_mut(LANES).enumerate() {
                average(image, c, group * LANES, y);
            }
        });
    })]
}

/// Averages of the channels of an image from `first` on.
fn average(image: &[f32], channels: usize, first: usize, y: &mut [f32]) {
    let mut totals = [0.0_f64; LANES];
    for pixels in image.chunks(PIXELS * channels) {
        let mut sums = [0.0; LANES];
        for pixel in pixels.chunks_exact(channels) {
            match pixel[first..].first_chunk::<LANES>() {
                Some(lanes) => {
                    for (sum, x) in sums.iter_mut().zip(lanes) {
                        *sum += x;
                    }
                }
                None => add(&pixel[first..], 1.0, &mut sums),
            }
        }
        for (total, sum) in totals.iter_mut().zip(sums) {
            *total += f64::from(sum);
        }
    }
    let count = as_f64(image.len() / channels);
    for (y, total) in y.iter_mut().zip(totals) {
        *y = f32::from_f64(total / count);
    }
}

pub(in crate::ops::pool) fn global_gradient([h, w]: [usize; 2]) -> Vec<HostKernel> {
    let weight = f32::from_f64(1.0 / as_f64(h * w));
    vec![HostKernel::new("images", move |io, _| {
        let dy = io.inputs.float(0);
        let [_, c] = io.inputs.dims(0);
        for_each_chunk(io.outputs.float(0), h * w * c, &|n, dx| {
            let (first, others) = dx.split_at_mut(c);
            for (dx, dy) in first.iter_mut().zip(&dy[n * c..]) {
                *dx = weight * dy;
            }
            for pixel in others.chunks_exact_mut(c) {
                pixel.copy_from_slice(first);
            }
        });
    })]
}
