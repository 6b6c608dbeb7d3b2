//! Convolutions on the CPU as products of windows and weights, block by block.
//!
//! A block is some output pixels by some taps: its matrix is made in scratch memory that stays in
//! the cache, and is multiplied there. Blocks depend on the shapes only, and each sum has a fixed
//! order, so that the number of threads changes no bit.

mod depthwise;
mod grouped;
mod tiles;
mod windows;
pub mod winograd;

use std::ops::Range;

use windows::Windows;

use super::geometry::Sizes;
use super::{Conv2d, Conv2dInputGrad, Conv2dWeightGrad, ConvGeometry};
use crate::graph::{HostIo, HostKernel};
use crate::tensor::gemm::{Matrix, multiply, multiply_add};
use crate::tensor::parallel::{for_each_block, for_each_chunk_of, shares};

const VARIANT: &str = "window_blocks";
/// Output pixels of a block.
const ROWS: usize = 512;
/// Most columns of a block, where a single tap has no more.
const COLUMNS: usize = 576;
/// Tasks that a weight gradient is split into, where its sum is long enough.
const TASKS: usize = 16;

/// What follows the sums of a block of the result, whose first element has the given position.
type Finish<'a> = &'a (dyn Fn(usize, &mut [f32]) + Sync);

/// A convolution in blocks.
#[derive(Debug, Clone)]
struct Blocks {
    sizes: Sizes,
    windows: Windows,
    /// Taps of a block: whole lines of the window, or a part of one.
    taps: usize,
}

impl Blocks {
    /// Of a convolution in one group.
    fn new(geometry: &ConvGeometry, sizes: Sizes) -> Self {
        let Sizes { c, kh, kw, .. } = sizes;
        let lines = COLUMNS / (kw * c);
        let taps = if lines > 0 { lines.min(kh) * kw } else { (COLUMNS / c).clamp(1, kw) };
        Self { sizes, windows: Windows::new(geometry, sizes), taps }
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

/// A convolution in one group, and how threads share it.
#[derive(Debug, Clone)]
struct Forward {
    blocks: Blocks,
    shares: [usize; 2],
}

impl Forward {
    fn new(geometry: &ConvGeometry, sizes: Sizes) -> Self {
        let shares = shares(sizes.out_pixels().div_ceil(ROWS));
        Self { blocks: Blocks::new(geometry, sizes), shares }
    }

    fn scratch(&self) -> usize {
        self.shares[1] * self.blocks.block_len()
    }

    /// Makes `y`, each block of which `finish` gets with the position of its first element.
    fn run(&self, [x, weights]: [&[f32]; 2], [y, scratch]: [&mut [f32]; 2], finish: Finish<'_>) {
        let (blocks, [each, _]) = (&self.blocks, self.shares);
        let oc = blocks.sizes.oc;
        let chunks = [each * ROWS * oc, blocks.block_len()];
        for_each_chunk_of([y, scratch], chunks, &|share, [y, scratch]| {
            for (block, y) in y.chunks_mut(ROWS * oc).enumerate() {
                let first = (share * each + block) * ROWS;
                let rows = first..first + y.len() / oc;
                for taps in blocks.tap_blocks() {
                    let product = if taps.start == 0 { multiply } else { multiply_add };
                    let windows = blocks.windows(x, &rows, &taps, scratch);
                    product(windows, blocks.weights(weights, &taps), y);
                }
                finish(first * oc, y);
            }
        });
    }
}

pub(super) fn forward(op: &Conv2d, sizes: Sizes) -> Vec<HostKernel> {
    if op.geometry.groups > 1 {
        return grouped::forward(op, sizes);
    }
    let plan = Forward::new(&op.geometry, sizes);
    let (scratch, tail) = (plan.scratch(), op.tail());
    let run = move |io: &mut HostIo<'_, f32>, scratch: &mut [f32]| {
        let operands = [0, 1].map(|i| io.inputs.float(i));
        let tail = tail.operands(&io.inputs);
        let to = [io.outputs.float(0), scratch];
        plan.run(operands, to, &|start, y| tail.finish(start, y));
    };
    vec![HostKernel::new(VARIANT, run).with_scratch(scratch)]
}

/// The gradient of the input in one group, and how threads share it.
#[derive(Debug, Clone)]
struct InputGrad {
    blocks: Blocks,
    /// Images of a block: windows of one overlap in no other.
    images: usize,
    shares: [usize; 2],
}

impl InputGrad {
    fn new(geometry: &ConvGeometry, sizes: Sizes) -> Self {
        let images = (ROWS / (sizes.oh * sizes.ow)).clamp(1, sizes.n);
        let shares = shares(sizes.n.div_ceil(images));
        Self { blocks: Blocks::new(geometry, sizes), images, shares }
    }

    fn scratch(&self) -> usize {
        self.shares[1] * self.blocks.block_len()
    }

    /// Makes `dx`, each block of which `finish` gets with the position of its first element.
    fn run(&self, [dy, weights]: [&[f32]; 2], [dx, scratch]: [&mut [f32]; 2], finish: Finish<'_>) {
        let (blocks, [each, _]) = (&self.blocks, self.shares);
        let Sizes { n, h, w, c, oh, ow, oc, .. } = blocks.sizes;
        let dy = Matrix::new(dy, n * oh * ow, oc);
        let block_len = self.images * h * w * c;
        let chunks = [each * block_len, blocks.block_len()];
        for_each_chunk_of([dx, scratch], chunks, &|share, [dx, scratch]| {
            for (block, dx) in dx.chunks_mut(block_len).enumerate() {
                let first = (share * each + block) * self.images;
                let rows = first * oh * ow..(first + dx.len() / (h * w * c)) * oh * ow;
                blocks.input_grad(dy, weights, rows, first * h * w, [&mut *dx, scratch]);
                finish(first * h * w * c, dx);
            }
        });
    }
}

pub(super) fn input_grad(op: &Conv2dInputGrad, sizes: Sizes) -> Vec<HostKernel> {
    if op.geometry.groups > 1 {
        return grouped::input_grad(op, sizes);
    }
    let plan = InputGrad::new(&op.geometry, sizes);
    let (scratch, tail) = (plan.scratch(), op.tail());
    let run = move |io: &mut HostIo<'_, f32>, scratch: &mut [f32]| {
        let tail = tail.operands(&io.inputs);
        let operands = [0, 1].map(|i| io.inputs.float(i));
        let to = [io.outputs.float(0), scratch];
        plan.run(operands, to, &|start, y| tail.finish(start, y));
    };
    vec![HostKernel::new(VARIANT, run).with_scratch(scratch)]
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

/// The gradient of the weights in one group, in parts of the sum that are added in order.
#[derive(Debug, Clone)]
struct WeightGrad {
    blocks: Blocks,
    part_rows: usize,
    parts: usize,
}

impl WeightGrad {
    fn new(geometry: &ConvGeometry, sizes: Sizes) -> Self {
        let blocks = Blocks::new(geometry, sizes);
        let rows = sizes.out_pixels();
        let parts = TASKS.div_ceil(blocks.tap_blocks().count()).clamp(1, rows.div_ceil(ROWS));
        let part_rows = rows.div_ceil(parts).next_multiple_of(ROWS);
        Self { blocks, part_rows, parts: rows.div_ceil(part_rows) }
    }

    /// Elements of the gradient of a block of taps.
    fn chunk(&self) -> usize {
        self.blocks.taps * self.blocks.sizes.c * self.blocks.sizes.oc
    }

    /// Elements of the parts of the sum.
    fn sums(&self) -> usize {
        let count = self.parts * self.blocks.tap_blocks().count();
        if self.parts == 1 { 0 } else { count * self.chunk() }
    }

    fn scratch(&self) -> usize {
        let count = self.parts * self.blocks.tap_blocks().count();
        self.sums() + count * self.blocks.block_len()
    }

    fn run(&self, [x, dy]: [&[f32]; 2], [dw, scratch]: [&mut [f32]; 2]) {
        let (blocks, part_rows, chunk) = (&self.blocks, self.part_rows, self.chunk());
        let Sizes { kh, kw, oc, .. } = blocks.sizes;
        let rows = blocks.sizes.out_pixels();
        let tap_blocks = blocks.tap_blocks().count();
        let dy = Matrix::new(dy, rows, oc);
        let (sums, scratch) = scratch.split_at_mut(self.sums());
        let target = if self.parts == 1 { &mut *dw } else { &mut *sums };
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
        if self.parts > 1 {
            add_parts(sums, tap_blocks * chunk, dw);
        }
    }
}

pub(super) fn weight_grad(op: &Conv2dWeightGrad, sizes: Sizes) -> Vec<HostKernel> {
    if op.geometry.groups > 1 {
        return grouped::weight_grad(op, sizes);
    }
    let plan = WeightGrad::new(&op.geometry, sizes);
    let scratch = plan.scratch();
    let run = move |io: &mut HostIo<'_, f32>, scratch: &mut [f32]| {
        plan.run([0, 1].map(|i| io.inputs.float(i)), [io.outputs.float(0), scratch]);
    };
    vec![HostKernel::new(VARIANT, run).with_scratch(scratch)]
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
