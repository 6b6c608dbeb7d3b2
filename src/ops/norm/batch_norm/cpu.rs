//! Batch normalization on the CPU: f32 loops over blocks of rows, which the compiler vectorizes, and
//! f64 sums over the blocks.
//!
//! Few channels make short loops, so that several rows form a line of lanes. Each lane of each block
//! has sums of its own; they are combined in an order that the shape decides.

use super::{
    BatchNorm, BatchNormGrad, BatchNormInference, BatchNormInferenceGrad, BatchNormMaxPool2d,
    NormTail,
};
use crate::graph::{HostIo, HostKernel, Signature};
use crate::ops::kit::activate;
use crate::ops::pool::{for_each_tap, keep_larger};
use crate::tensor::parallel::{for_each_chunk, for_each_chunk_of, for_each_chunk_pair};
use crate::tensor::{Real, TensorType};

/// Lanes of a line, about: long enough for a loop over them.
const LANES: usize = 128;
/// Elements of a block, about: those of two operands stay in the cache.
const BLOCK: usize = 8192;
/// Fewest lines of a block: below, its sums would cost more than the lines.
const LEAST_LINES: usize = 32;
/// Channels whose sums are combined at once.
const GROUP: usize = 16;

/// How the elements of `x` are split.
#[derive(Debug, Clone, Copy)]
struct Blocks {
    rows: usize,
    channels: usize,
    /// Elements of a line: those of some rows.
    lanes: usize,
    /// Elements of a block, whole lines; the last block may have fewer.
    len: usize,
    count: usize,
}

/// What one channel's elements, or one lane's, are mapped by.
struct Vectors<'a, const N: usize>([&'a mut [f32]; N]);

impl Blocks {
    fn of(x: &TensorType) -> Self {
        let (rows, channels) = x.rows_columns();
        let lanes = channels * (LANES / channels).clamp(1, rows);
        let len = lanes * (BLOCK / lanes).max(LEAST_LINES);
        Self { rows, channels, lanes, len, count: (rows * channels).div_ceil(len) }
    }

    /// Elements of two sums for each lane of each block.
    fn sums(self) -> usize {
        2 * self.lanes * self.count
    }

    /// Elements of block `block`.
    fn elements(self, block: usize) -> std::ops::Range<usize> {
        block * self.len..((block + 1) * self.len).min(self.rows * self.channels)
    }

    /// Adds `term(n, parts)` of the lanes of some channels to their sums: `n` elements lie in a
    /// lane of a block, and `parts` are its two sums.
    fn add_lanes(
        self,
        sums: &[f32],
        first: usize,
        totals: &mut [[f64; 2]],
        term: impl Fn(usize, f64, [f64; 2]) -> [f64; 2],
    ) {
        for (block, sums) in sums.chunks_exact(2 * self.lanes).enumerate() {
            let elements = self.elements(block).len();
            let (front, back) = sums.split_at(self.lanes);
            for lane in (first..self.lanes).step_by(self.channels) {
                for (i, total) in totals.iter_mut().enumerate() {
                    let lane = lane + i;
                    let n = as_f64(elements.saturating_sub(lane).div_ceil(self.lanes));
                    let added = term(i, n, [f64::from(front[lane]), f64::from(back[lane])]);
                    total[0] += added[0];
                    total[1] += added[1];
                }
            }
        }
    }
}

fn as_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("shapes fit 32 bits"))
}

impl<'a, const N: usize> Vectors<'a, N> {
    /// Memory for vectors of `lanes` elements.
    fn new(mut memory: &'a mut [f32], lanes: usize) -> Self {
        Self(std::array::from_fn(|_| {
            let (vector, rest) = std::mem::take(&mut memory).split_at_mut(lanes);
            memory = rest;
            vector
        }))
    }

    /// Fills all lanes by the numbers of their channels.
    fn fill(&mut self, channels: usize, numbers: impl Fn(usize) -> [f64; N]) {
        for c in 0..channels {
            for (vector, number) in self.0.iter_mut().zip(numbers(c)) {
                let number = f32::from_f64(number);
                vector.iter_mut().skip(c).step_by(channels).for_each(|lane| *lane = number);
            }
        }
    }

    fn slices(&self) -> [&[f32]; N] {
        std::array::from_fn(|i| &*self.0[i])
    }
}

pub(super) fn forward(op: &BatchNorm, sig: &Signature) -> Vec<HostKernel> {
    let blocks = Blocks::of(&sig.inputs[0]);
    let (epsilon, tail) = (f64::from(op.epsilon), op.tail);
    let run = move |io: &mut HostIo<'_, f32>, scratch: &mut [f32]| {
        let [x, gamma, beta] = [0, 1, 2].map(|i| io.inputs.float(i));
        let residual = tail.residual.then(|| io.inputs.float(3));
        let (sums, vectors) = scratch.split_at_mut(blocks.sums());
        let [y, mean, variance] = io.outputs.floats();
        statistics(blocks, x, sums, [mean, variance]);
        let mut vectors = Vectors::new(vectors, blocks.lanes);
        vectors.fill(blocks.channels, |c| {
            let deviation = (f64::from(variance[c]) + epsilon).sqrt();
            [mean[c].into(), f64::from(gamma[c]) / deviation, beta[c].into()]
        });
        normalize(blocks, tail, x, residual, vectors.slices(), y);
    };
    let scratch = blocks.sums() + 3 * blocks.lanes;
    vec![HostKernel::new("lane_blocks", run).with_scratch(scratch)]
}

/// A kernel that makes a tensor of type `y`, its first output, with the statistics of it, its others.
pub(super) fn with_statistics(kernel: HostKernel, y: &TensorType) -> HostKernel {
    let blocks = Blocks::of(y);
    let (variant, own) = (kernel.variant, kernel.scratch);
    let run = move |io: &mut HostIo<'_, f32>, scratch: &mut [f32]| {
        let (own, sums) = scratch.split_at_mut(own);
        kernel.run(io, own);
        let [y, mean, variance] = io.outputs.floats();
        statistics(blocks, y, sums, [mean, variance]);
    };
    HostKernel::new(variant, run).with_scratch(own + blocks.sums())
}

pub(super) fn inference(op: &BatchNormInference, sig: &Signature) -> Vec<HostKernel> {
    let blocks = Blocks::of(&sig.inputs[0]);
    let (epsilon, tail) = (f64::from(op.epsilon), op.tail);
    let run = move |io: &mut HostIo<'_, f32>, scratch: &mut [f32]| {
        let [x, gamma, beta, mean, variance] = [0, 1, 2, 3, 4].map(|i| io.inputs.float(i));
        let residual = tail.residual.then(|| io.inputs.float(5));
        let mut vectors = Vectors::new(scratch, blocks.lanes);
        vectors.fill(blocks.channels, |c| {
            let deviation = (f64::from(variance[c]) + epsilon).sqrt();
            [mean[c].into(), f64::from(gamma[c]) / deviation, beta[c].into()]
        });
        normalize(blocks, tail, x, residual, vectors.slices(), io.outputs.float(0));
    };
    vec![HostKernel::new("lane_blocks", run).with_scratch(3 * blocks.lanes)]
}

pub(super) fn max_pool(op: &BatchNormMaxPool2d, sig: &Signature) -> Vec<HostKernel> {
    let (op, (_, channels)) = (op.clone(), sig.inputs[0].rows_columns());
    let epsilon = f64::from(op.epsilon);
    let run = move |io: &mut HostIo<'_, f32>, scratch: &mut [f32]| {
        let [x, gamma, beta, mean, variance] = [0, 1, 2, 3, 4].map(|i| io.inputs.float(i));
        let [_, h, w, c] = io.inputs.dims(0);
        let [_, oh, ow, _] = io.outputs.dims(0);
        let mut vectors = Vectors::new(scratch, c);
        vectors.fill(c, |c| {
            let deviation = (f64::from(variance[c]) + epsilon).sqrt();
            let sign = if gamma[c] == 0.0 { 0.0 } else { gamma[c].signum() };
            // Of values that have been multiplied by the sign.
            let factor = f64::from(gamma[c]).abs() / deviation;
            [f64::from(mean[c] * sign), factor, beta[c].into(), sign.into()]
        });
        let [mean, factor, beta, sign] = vectors.slices();
        for_each_chunk_pair(io.outputs.float_and_u32(), [ow * c; 2], &|line, y, index| {
            let (n, oy) = (line / oh, line % oh);
            let mut keys = vec![0.0; c];
            for (ox, (y, index)) in y.chunks_mut(c).zip(index.chunks_mut(c)).enumerate() {
                let mut is_first = true;
                for_each_tap(&op.geometry, [oy, ox], [h, w], |tap, pixel| {
                    let x = &x[(n * h * w + pixel) * c..][..c];
                    for ((key, x), sign) in keys.iter_mut().zip(x).zip(sign) {
                        *key = x * sign;
                    }
                    if is_first {
                        y.copy_from_slice(&keys);
                        index.fill(tap);
                    } else {
                        keep_larger(&keys, tap, y, index);
                    }
                    is_first = false;
                });
            }
            for y in y.chunks_mut(c) {
                for (((y, mean), factor), beta) in y.iter_mut().zip(mean).zip(factor).zip(beta) {
                    *y = (*y - mean) * factor + beta;
                }
            }
            activate(op.activation, y);
        });
    };
    vec![HostKernel::new("lines", run).with_scratch(4 * channels)]
}

/// `y = f((x - mean) factor + beta + residual)`, block by block.
fn normalize(
    blocks: Blocks,
    tail: NormTail,
    x: &[f32],
    residual: Option<&[f32]>,
    vectors: [&[f32]; 3],
    y: &mut [f32],
) {
    for_each_chunk(y, blocks.len, &|block, y| {
        let elements = blocks.elements(block);
        normalize_lines(&x[elements.clone()], vectors, y);
        if let Some(residual) = residual {
            for (y, residual) in y.iter_mut().zip(&residual[elements]) {
                *y += residual;
            }
        }
        activate(tail.activation, y);
    });
}

fn normalize_lines(x: &[f32], [mean, factor, beta]: [&[f32]; 3], y: &mut [f32]) {
    for (x, y) in x.chunks(mean.len()).zip(y.chunks_mut(mean.len())) {
        for ((((x, y), mean), factor), beta) in x.iter().zip(y).zip(mean).zip(factor).zip(beta) {
            *y = (x - mean) * factor + beta;
        }
    }
}

/// Mean and biased variance of each channel of `x`, by way of the sums of blocks.
fn statistics(blocks: Blocks, x: &[f32], sums: &mut [f32], outputs: [&mut [f32]; 2]) {
    for_each_chunk(sums, 2 * blocks.lanes, &|block, sums| {
        let (mean, squares) = sums.split_at_mut(blocks.lanes);
        lane_statistics(&x[blocks.elements(block)], mean, squares);
    });
    let [mean, variance] = outputs;
    combine_statistics(blocks, sums, mean, variance);
}

/// Mean of each lane and the sum of squared distances from it, in two passes over a block in the
/// cache. Distances from the first line keep an offset of `x` from taking digits of the mean.
fn lane_statistics(x: &[f32], mean: &mut [f32], squares: &mut [f32]) {
    let lanes = mean.len();
    mean.fill(0.0);
    squares.fill(0.0);
    let first = &x[..lanes.min(x.len())];
    for line in x.chunks(lanes).skip(1) {
        for ((sum, x), first) in mean.iter_mut().zip(line).zip(first) {
            *sum += x - first;
        }
    }
    for (lane, (mean, first)) in mean.iter_mut().zip(first).enumerate() {
        let n = as_f64((x.len() - lane).div_ceil(lanes));
        *mean = f32::from_f64(f64::from(*first) + f64::from(*mean) / n);
    }
    for line in x.chunks(lanes) {
        for ((squares, x), mean) in squares.iter_mut().zip(line).zip(&*mean) {
            *squares += (x - mean) * (x - mean);
        }
    }
}

/// Mean and biased variance of each channel from those of its lanes.
///
/// Source: Chan, Golub and LeVeque, "Algorithms for Computing the Sample Variance", 1983.
fn combine_statistics(blocks: Blocks, sums: &[f32], mean: &mut [f32], variance: &mut [f32]) {
    let rows = as_f64(blocks.rows);
    for_each_chunk_of([mean, variance], [GROUP; 2], &|group, [mean, variance]| {
        let (mut means, mut squares) = ([[0.0; 2]; GROUP], [[0.0; 2]; GROUP]);
        let (means, squares) = (&mut means[..mean.len()], &mut squares[..mean.len()]);
        blocks.add_lanes(sums, group * GROUP, means, |_, n, [mean, _]| [n * mean, 0.0]);
        for mean in &mut *means {
            mean[0] /= rows;
        }
        blocks.add_lanes(sums, group * GROUP, squares, |i, n, [mean, squares]| {
            let distance = mean - means[i][0];
            [squares, n * distance * distance]
        });
        for (i, (mean, variance)) in mean.iter_mut().zip(variance).enumerate() {
            *mean = f32::from_f64(means[i][0]);
            *variance = f32::from_f64((squares[i][0] + squares[i][1]) / rows);
        }
    });
}

pub(super) fn gradient(op: &BatchNormGrad, sig: &Signature) -> Vec<HostKernel> {
    let blocks = Blocks::of(&sig.inputs[0]);
    let epsilon = f64::from(op.epsilon);
    let run = move |io: &mut HostIo<'_, f32>, scratch: &mut [f32]| {
        let [x, gamma, mean, variance, dy] = [0, 1, 2, 3, 4].map(|i| io.inputs.float(i));
        let [dx, dgamma, dbeta] = io.outputs.floats();
        let operands = [x, mean, variance, dy];
        let vectors = gradient_sums(blocks, epsilon, operands, scratch, [dgamma, dbeta]);
        let mut vectors = Vectors::new(vectors, blocks.lanes);
        let rows = as_f64(blocks.rows);
        vectors.fill(blocks.channels, |c| {
            let inverse = 1.0 / (f64::from(variance[c]) + epsilon).sqrt();
            let factor = f64::from(gamma[c]) * inverse;
            let slope = factor * inverse * f64::from(dgamma[c]) / rows;
            [mean[c].into(), factor, slope, factor * f64::from(dbeta[c]) / rows]
        });
        let vectors = vectors.slices();
        for_each_chunk(dx, blocks.len, &|block, dx| {
            let elements = blocks.elements(block);
            gradient_lines([&x[elements.clone()], &dy[elements]], vectors, dx);
        });
    };
    let scratch = blocks.sums() + 4 * blocks.lanes;
    vec![HostKernel::new("lane_blocks", run).with_scratch(scratch)]
}

/// `dx = factor dy - slope (x - mean) - offset`
fn gradient_lines([x, dy]: [&[f32]; 2], vectors: [&[f32]; 4], dx: &mut [f32]) {
    let [mean, factor, slope, offset] = vectors;
    let lanes = mean.len();
    for ((x, dy), dx) in x.chunks(lanes).zip(dy.chunks(lanes)).zip(dx.chunks_mut(lanes)) {
        let vectors = mean.iter().zip(factor).zip(slope).zip(offset);
        for (((x, dy), dx), (((mean, factor), slope), offset)) in
            x.iter().zip(dy).zip(dx).zip(vectors)
        {
            *dx = factor * dy - slope * (x - mean) - offset;
        }
    }
}

pub(super) fn inference_gradient(op: &BatchNormInferenceGrad, sig: &Signature) -> Vec<HostKernel> {
    let blocks = Blocks::of(&sig.inputs[0]);
    let epsilon = f64::from(op.epsilon);
    let run = move |io: &mut HostIo<'_, f32>, scratch: &mut [f32]| {
        let [x, gamma, mean, variance, dy] = [0, 1, 2, 3, 4].map(|i| io.inputs.float(i));
        let [dx, dgamma, dbeta] = io.outputs.floats();
        let operands = [x, mean, variance, dy];
        let vectors = gradient_sums(blocks, epsilon, operands, scratch, [dgamma, dbeta]);
        let mut vectors = Vectors::new(vectors, blocks.lanes);
        vectors.fill(blocks.channels, |c| {
            [f64::from(gamma[c]) / (f64::from(variance[c]) + epsilon).sqrt()]
        });
        let [factor] = vectors.slices();
        for_each_chunk(dx, blocks.len, &|block, dx| {
            let dy = &dy[blocks.elements(block)];
            for (dy, dx) in dy.chunks(factor.len()).zip(dx.chunks_mut(factor.len())) {
                for ((dy, dx), factor) in dy.iter().zip(dx).zip(factor) {
                    *dx = factor * dy;
                }
            }
        });
    };
    let scratch = blocks.sums() + blocks.lanes;
    vec![HostKernel::new("lane_blocks", run).with_scratch(scratch)]
}

/// Makes `dgamma` and `dbeta` of `x mean variance dy`; the rest of the scratch memory comes back.
fn gradient_sums<'a>(
    blocks: Blocks,
    epsilon: f64,
    [x, mean, variance, dy]: [&[f32]; 4],
    scratch: &'a mut [f32],
    outputs: [&mut [f32]; 2],
) -> &'a mut [f32] {
    let (sums, vectors) = scratch.split_at_mut(blocks.sums());
    let mut means = Vectors::new(vectors, blocks.lanes);
    means.fill(blocks.channels, |c| [mean[c].into()]);
    let [means] = means.slices();
    for_each_chunk(sums, 2 * blocks.lanes, &|block, sums| {
        let (dgamma, dbeta) = sums.split_at_mut(blocks.lanes);
        let elements = blocks.elements(block);
        add_gradients(&x[elements.clone()], &dy[elements], means, [dgamma, dbeta]);
    });
    let sums = &*sums;
    for_each_chunk_of(outputs, [GROUP; 2], &|group, [dgamma, dbeta]| {
        let mut totals = [[0.0; 2]; GROUP];
        let totals = &mut totals[..dgamma.len()];
        blocks.add_lanes(sums, group * GROUP, totals, |_, _, parts| parts);
        for (i, (dgamma, dbeta)) in dgamma.iter_mut().zip(dbeta).enumerate() {
            let variance = f64::from(variance[group * GROUP + i]);
            *dgamma = f32::from_f64(totals[i][0] / (variance + epsilon).sqrt());
            *dbeta = f32::from_f64(totals[i][1]);
        }
    });
    vectors
}

/// Sums of `dy (x - mean)` and of `dy` for each lane of a block.
fn add_gradients(x: &[f32], dy: &[f32], mean: &[f32], [dgamma, dbeta]: [&mut [f32]; 2]) {
    dgamma.fill(0.0);
    dbeta.fill(0.0);
    for (x, dy) in x.chunks(mean.len()).zip(dy.chunks(mean.len())) {
        let sums = dgamma.iter_mut().zip(&mut *dbeta);
        for (((x, dy), mean), (dgamma, dbeta)) in x.iter().zip(dy).zip(mean).zip(sums) {
            *dgamma += dy * (x - mean);
            *dbeta += dy;
        }
    }
}
