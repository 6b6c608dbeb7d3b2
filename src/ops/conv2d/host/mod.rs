//! Convolutions on the CPU as products of windows and weights, block by block.
//!
//! A block is some output pixels by some taps: its matrix is made in scratch memory that stays in
//! the cache, and is multiplied there. Blocks depend on the shapes only, and each sum has a fixed
//! order, so that the number of threads changes no bit. Grouped convolutions have no kernel here.

mod tiles;
mod windows;
pub mod winograd;

use std::ops::Range;

use windows::Windows;

use super::geometry::Sizes;
use super::{Conv2d, Conv2dInputGrad, Conv2dWeightGrad, ConvGeometry};
use crate::graph::{HostIo, HostKernel};
use crate::ops::host_activation::finish;
use crate::tensor::gemm::{Matrix, multiply, multiply_add};
use crate::tensor::parallel::{for_each_block, for_each_chunk_of, shares};

/// Output pixels of a block.
const ROWS: usize = 512;
/// Most columns of a block, where a single tap has no more.
const COLUMNS: usize = 576;
/// Tasks that a weight gradient is split into, where its sum is long enough.
const TASKS: usize = 16;

/// A convolution in blocks.
#[derive(Debug, Clone)]
struct Blocks {
    sizes: Sizes,
    windows: Windows,
    /// Taps of a block: whole lines of the window, or a part of one.
    taps: usize,
}

impl Blocks {
    fn new(geometry: &ConvGeometry, sizes: Sizes) -> Option<Self> {
        if geometry.groups != 1 {
            return None;
        }
        let Sizes { c, kh, kw, .. } = sizes;
        let lines = COLUMNS / (kw * c);
        let taps = if lines > 0 { lines.min(kh) * kw } else { (COLUMNS / c).clamp(1, kw) };
        Some(Self { sizes, windows: Windows::new(geometry, sizes), taps })
    }

    /// Elements of the largest block.
    fn block_len(&self) -> usize {
        if self.windows.are_pixels() { 0 } else { ROWS * self.taps * self.sizes.c }
    }

    /// The taps of each block of columns.
    fn tap_blocks(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (all, taps) = (self.sizes.kh * self.sizes.kw, self.taps);
        (0..all).step_by(taps).map(move |first| first..(first + taps).min(all))
    }

    /// The given part of the matrix of windows, in `scratch` or in `x` itself.
    fn windows<'a>(
        &self,
        x: &'a [f32],
        rows: &Range<usize>,
        taps: &Range<usize>,
        scratch: &'a mut [f32],
    ) -> Matrix<'a> {
        let columns = taps.len() * self.sizes.c;
        if self.windows.are_pixels() {
            return Matrix::new(x, self.sizes.out_pixels(), columns).rows(rows.start, rows.len());
        }
        self.windows.gather(x, rows.clone(), taps.clone(), scratch);
        Matrix::new(scratch, rows.len(), columns)
    }

    /// The weights of some taps, as `[taps c, oc]`.
    fn weights<'a>(&self, weights: &'a [f32], taps: &Range<usize>) -> Matrix<'a> {
        let Sizes { kh, kw, c, oc, .. } = self.sizes;
        Matrix::new(weights, kh * kw * c, oc).rows(taps.start * c, taps.len() * c)
    }
}

pub(super) fn forward(op: &Conv2d, sizes: Sizes) -> Vec<HostKernel> {
    let Some(blocks) = Blocks::new(&op.geometry, sizes) else { return Vec::new() };
    let [each, count] = shares(sizes.out_pixels().div_ceil(ROWS));
    let scratch = count * blocks.block_len();
    let (bias, activation) = (op.bias, op.activation);
    let run = move |io: &mut HostIo<'_, f32>, scratch: &mut [f32]| {
        let (x, weights) = (io.inputs.float(0), io.inputs.float(1));
        let bias = bias.then(|| io.inputs.float(2));
        let oc = blocks.sizes.oc;
        let chunks = [each * ROWS * oc, blocks.block_len()];
        for_each_chunk_of([io.outputs.float(0), scratch], chunks, &|share, [y, scratch]| {
            for (block, y) in y.chunks_mut(ROWS * oc).enumerate() {
                let first = (share * each + block) * ROWS;
                let rows = first..first + y.len() / oc;
                for taps in blocks.tap_blocks() {
                    let product = if taps.start == 0 { multiply } else { multiply_add };
                    let windows = blocks.windows(x, &rows, &taps, scratch);
                    product(windows, blocks.weights(weights, &taps), y);
                }
                finish(activation, bias, y);
            }
        });
    };
    vec![HostKernel::new("window_blocks", run).with_scratch(scratch)]
}

pub(super) fn input_grad(op: &Conv2dInputGrad, sizes: Sizes) -> Vec<HostKernel> {
    let Some(blocks) = Blocks::new(&op.geometry, sizes) else { return Vec::new() };
    let Sizes { n, h, w, c, oh, ow, oc, .. } = sizes;
    // Whole images: windows of one overlap in no other.
    let images = (ROWS / (oh * ow)).clamp(1, n);
    let [each, count] = shares(n.div_ceil(images));
    let scratch = count * blocks.block_len();
    let run = move |io: &mut HostIo<'_, f32>, scratch: &mut [f32]| {
        let (dy, weights) = (io.inputs.float(0), io.inputs.float(1));
        let dy = Matrix::new(dy, n * oh * ow, oc);
        let chunks = [each * images * h * w * c, blocks.block_len()];
        for_each_chunk_of([io.outputs.float(0), scratch], chunks, &|share, [dx, scratch]| {
            for (block, dx) in dx.chunks_mut(images * h * w * c).enumerate() {
                let first = (share * each + block) * images;
                let rows = first * oh * ow..(first + dx.len() / (h * w * c)) * oh * ow;
                blocks.input_grad(dy, weights, rows, first * h * w, [dx, scratch]);
            }
        });
    };
    vec![HostKernel::new("window_blocks", run).with_scratch(scratch)]
}

impl Blocks {
    /// Makes `dx` of the images whose output pixels are `rows`; it starts at pixel `first_pixel`.
    fn input_grad(
        &self,
        dy: Matrix<'_>,
        weights: &[f32],
        rows: Range<usize>,
        first_pixel: usize,
        [dx, scratch]: [&mut [f32]; 2],
    ) {
        if self.windows.are_pixels() {
            let weights = self.weights(weights, &(0..1)).transposed();
            multiply(dy.rows(rows.start, rows.len()), weights, dx);
            return;
        }
        dx.fill(0.0);
        for first in rows.clone().step_by(ROWS) {
            let rows = first..(first + ROWS).min(rows.end);
            for taps in self.tap_blocks() {
                let weights = self.weights(weights, &taps).transposed();
                multiply(dy.rows(first, rows.len()), weights, scratch);
                self.windows.scatter_add(scratch, rows.clone(), taps, first_pixel, dx);
            }
        }
    }
}

pub(super) fn weight_grad(op: &Conv2dWeightGrad, sizes: Sizes) -> Vec<HostKernel> {
    let Some(blocks) = Blocks::new(&op.geometry, sizes) else { return Vec::new() };
    let Sizes { kh, kw, c, oc, .. } = sizes;
    let rows = sizes.out_pixels();
    let tap_blocks = (kh * kw).div_ceil(blocks.taps);
    // Parts of the sum, added in order at the end.
    let parts = TASKS.div_ceil(tap_blocks).clamp(1, rows.div_ceil(ROWS));
    let part_rows = rows.div_ceil(parts).next_multiple_of(ROWS);
    let parts = rows.div_ceil(part_rows);
    let chunk = blocks.taps * c * oc;
    let sums_len = if parts == 1 { 0 } else { parts * tap_blocks * chunk };
    let scratch = sums_len + parts * tap_blocks * blocks.block_len();
    let run = move |io: &mut HostIo<'_, f32>, scratch: &mut [f32]| {
        let (x, dy) = (io.inputs.float(0), io.inputs.float(1));
        let dy = Matrix::new(dy, rows, oc);
        let (sums, scratch) = scratch.split_at_mut(sums_len);
        let dw = io.outputs.float(0);
        let target = if parts == 1 { &mut *dw } else { &mut *sums };
        let chunks = [chunk, blocks.block_len()];
        for_each_chunk_of([target, scratch], chunks, &|task, [sum, scratch]| {
            let (part, first_tap) = (task / tap_blocks, task % tap_blocks * blocks.taps);
            let taps = first_tap..(first_tap + blocks.taps).min(kh * kw);
            let part = part * part_rows..((part + 1) * part_rows).min(rows);
            for first in part.clone().step_by(ROWS) {
                let rows = first..(first + ROWS).min(part.end);
                let product = if first == part.start { multiply } else { multiply_add };
                let windows = blocks.windows(x, &rows, &taps, scratch).transposed();
                product(windows, dy.rows(first, rows.len()), sum);
            }
        });
        if parts > 1 {
            add_parts(sums, tap_blocks * chunk, dw);
        }
    };
    vec![HostKernel::new("window_blocks", run).with_scratch(scratch)]
}

/// `y[i]` = sum of `parts[part, i]` over the parts, in order; each part has `len` elements.
fn add_parts(parts: &[f32], len: usize, y: &mut [f32]) {
    for_each_block(y, &|start, y| {
        y.copy_from_slice(&parts[start..start + y.len()]);
        for part in parts.chunks_exact(len).skip(1) {
            for (y, part) in y.iter_mut().zip(&part[start..]) {
                *y += part;
            }
        }
    });
}
