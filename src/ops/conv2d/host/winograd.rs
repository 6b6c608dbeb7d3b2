//! 3x3 convolutions on the CPU with 2.25 times fewer multiplications.
//!
//! Winograd's F(2x2, 3x3): a tile of 4x4 inputs gives 2x2 outputs as
//! `A' [(G g G') * (B' d B)] A`, where `*` multiplies element by element; over all tiles and
//! channels, that is one matrix product for each of the 16 points. The gradient of the input is
//! such a convolution, too; that of the weights is `G' [sum over tiles of (B' d B) * (A dy A')] G`.
//! Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016.

use super::super::geometry::Sizes;
use super::super::{Conv2d, Conv2dInputGrad, Conv2dWeightGrad, ConvGeometry};
use super::tiles::{POINTS, Plane, Tiles, gradient_tap, weight_point};
use crate::graph::{HostIo, HostKernel};
use crate::ops::product_tail::TailOperands;
use crate::tensor::gemm::{Matrix, multiply, multiply_add};
use crate::tensor::parallel::{for_each_chunk, for_each_chunk_of, shares};

const VARIANT: &str = "winograd";
/// Fewest channels on both sides: below, transforms cost more than they save.
const WIDE: usize = 64;
/// Most tiles of an image: whole images are transformed at once.
const MOST_TILES: usize = 1024;
/// Tiles of a block, where one image has no more: enough rows for an efficient product.
const CONVOLVED: usize = 128;
/// Tiles that are summed in one product of a weight gradient.
const SUMMED: usize = 512;

fn applies(geometry: &ConvGeometry, sizes: &Sizes) -> bool {
    let Sizes { h, w, c, kh, kw, oc, .. } = *sizes;
    [kh, kw] == [3, 3]
        && geometry.stride == [1, 1]
        && geometry.dilation == [1, 1]
        && geometry.groups == 1
        // The gradient of the input is padded by what is left of two.
        && geometry.padding.iter().all(|&padding| padding <= 2)
        && [c, oc].iter().all(|n| n.is_multiple_of(Plane::LANES))
        && (h / 2 + 2) * (w / 2 + 2) <= MOST_TILES
}

/// Puts the kernel, where there is one, before or behind the others of the op, by the channels.
pub(in super::super) fn beside(
    others: Vec<HostKernel>,
    winograd: Option<HostKernel>,
    sizes: &Sizes,
) -> Vec<HostKernel> {
    let is_wide = sizes.c.min(sizes.oc) >= WIDE;
    let (mut first, second) = match winograd {
        Some(kernel) if is_wide => (vec![kernel], others),
        Some(kernel) => (others, vec![kernel]),
        None => (others, Vec::new()),
    };
    first.extend(second);
    first
}

/// A convolution from one plane to another by transformed weights.
#[derive(Debug, Clone)]
struct Convolution {
    tiles: Tiles,
    from: Plane,
    to: Plane,
    /// Blocks that one thread takes, and the number of such shares.
    shares: [usize; 2],
}

impl Convolution {
    fn new(n: usize, from: Plane, to: Plane, padding: [usize; 2]) -> Self {
        let tiles = Tiles::new([to.h, to.w], padding, n, CONVOLVED);
        Self { tiles, from, to, shares: shares(n.div_ceil(tiles.images)) }
    }

    /// Scratch memory of one share: a transformed block before and after the product.
    fn share_len(&self) -> usize {
        POINTS * self.tiles.in_block() * (self.from.c + self.to.c)
    }

    /// Transformed weights, and a part for each share.
    fn scratch(&self) -> usize {
        POINTS * self.from.c * self.to.c + self.shares[1] * self.share_len()
    }

    /// Makes `y`. `factors` has the transformed weights of a point as `[from.c, to.c]`; the tail
    /// follows each block of the result.
    fn run<'w>(
        &self,
        x: &[f32],
        factor: &(dyn Fn(usize) -> Matrix<'w> + Sync),
        [y, scratch]: [&mut [f32]; 2],
        tail: TailOperands<'_, f32>,
    ) {
        let block_len = self.tiles.images * self.to.len();
        let [each, _] = self.shares;
        let chunks = [each * block_len, self.share_len()];
        for_each_chunk_of([y, scratch], chunks, &|share, [y, scratch]| {
            let half = POINTS * self.tiles.in_block() * self.from.c;
            let (before, after) = scratch.split_at_mut(half);
            for (block, y) in y.chunks_mut(block_len).enumerate() {
                let first = (share * each + block) * self.tiles.images;
                let images = y.len() / self.to.len();
                self.tiles.transform_inputs(
                    &x[first * self.from.len()..],
                    self.from,
                    images,
                    before,
                );
                let rows = images * self.tiles.in_image();
                for point in 0..POINTS {
                    let part = |c: usize| point * self.tiles.in_block() * c;
                    let tiles = Matrix::new(&before[part(self.from.c)..], rows, self.from.c);
                    multiply(tiles, factor(point), &mut after[part(self.to.c)..]);
                }
                self.tiles.restore_outputs(after, self.to, y);
                tail.finish(first * self.to.len(), y);
            }
        });
    }
}

/// The 16 transformed weights `[c, oc]`; `flipped` turns the window by half a turn.
fn transform_weights(weights: &[f32], flipped: bool, points: &mut [f32]) {
    let len = points.len() / POINTS;
    for_each_chunk(points, len, &|point, u| weight_point(weights, point, flipped, u));
}

pub(in super::super) fn forward(op: &Conv2d, sizes: &Sizes) -> Option<HostKernel> {
    if !applies(&op.geometry, sizes) {
        return None;
    }
    let &Sizes { n, h, w, c, oh, ow, oc, .. } = sizes;
    let [top, _, left, _] = op.geometry.padding;
    let (from, to) = (Plane { h, w, c }, Plane { h: oh, w: ow, c: oc });
    let convolution = Convolution::new(n, from, to, [top, left]);
    let (scratch, tail) = (convolution.scratch(), op.tail());
    let run = move |io: &mut HostIo<'_, f32>, scratch: &mut [f32]| {
        let (points, scratch) = scratch.split_at_mut(POINTS * c * oc);
        transform_weights(io.inputs.float(1), false, points);
        let points = &*points;
        convolution.run(
            io.inputs.float(0),
            &|point| Matrix::new(&points[point * c * oc..], c, oc),
            [io.outputs.float(0), scratch],
            tail.operands(&io.inputs),
        );
    };
    Some(HostKernel::new(VARIANT, run).with_scratch(scratch))
}

pub(in super::super) fn input_grad(op: &Conv2dInputGrad, sizes: &Sizes) -> Option<HostKernel> {
    if !applies(&op.geometry, sizes) {
        return None;
    }
    let &Sizes { n, h, w, c, oh, ow, oc, .. } = sizes;
    let [top, _, left, _] = op.geometry.padding;
    let (from, to) = (Plane { h: oh, w: ow, c: oc }, Plane { h, w, c });
    let convolution = Convolution::new(n, from, to, [2 - top, 2 - left]);
    let (scratch, tail) = (convolution.scratch(), op.tail());
    let run = move |io: &mut HostIo<'_, f32>, scratch: &mut [f32]| {
        let (points, scratch) = scratch.split_at_mut(POINTS * c * oc);
        transform_weights(io.inputs.float(1), true, points);
        let points = &*points;
        convolution.run(
            io.inputs.float(0),
            &|point| Matrix::new(&points[point * c * oc..], c, oc).transposed(),
            [io.outputs.float(0), scratch],
            tail.operands(&io.inputs),
        );
    };
    Some(HostKernel::new(VARIANT, run).with_scratch(scratch))
}

pub(in super::super) fn weight_grad(op: &Conv2dWeightGrad, sizes: &Sizes) -> Option<HostKernel> {
    if !applies(&op.geometry, sizes) {
        return None;
    }
    let &Sizes { n, h, w, c, oh, ow, oc, .. } = sizes;
    let [top, _, left, _] = op.geometry.padding;
    let (from, to) = (Plane { h, w, c }, Plane { h: oh, w: ow, c: oc });
    let tiles = Tiles::new([oh, ow], [top, left], n, SUMMED);
    let blocks = n.div_ceil(tiles.images);
    let [x_len, dy_len] = [c, oc].map(|c| POINTS * tiles.in_block() * c);
    let sums_len = POINTS * c * oc;
    let run = move |io: &mut HostIo<'_, f32>, scratch: &mut [f32]| {
        let (x, dy) = (io.inputs.float(0), io.inputs.float(1));
        let (sums, scratch) = scratch.split_at_mut(sums_len);
        let (x_points, dy_points) = scratch.split_at_mut(blocks * x_len);
        let images = |block: usize| tiles.images.min(n - block * tiles.images);
        let transformed = [&mut *x_points, &mut *dy_points];
        for_each_chunk_of(transformed, [x_len, dy_len], &|block, [x_points, dy_points]| {
            let first = block * tiles.images;
            tiles.transform_inputs(&x[first * from.len()..], from, images(block), x_points);
            tiles.transform_gradients(&dy[first * to.len()..], to, images(block), dy_points);
        });
        let (x_points, dy_points) = (&*x_points, &*dy_points);
        for_each_chunk(sums, c * oc, &|point, sum| {
            for block in 0..blocks {
                let rows = images(block) * tiles.in_image();
                let part = |len: usize, c: usize| block * len + point * tiles.in_block() * c;
                let left = Matrix::new(&x_points[part(x_len, c)..], rows, c).transposed();
                let right = Matrix::new(&dy_points[part(dy_len, oc)..], rows, oc);
                let product = if block == 0 { multiply } else { multiply_add };
                product(left, right, sum);
            }
        });
        let sums = &*sums;
        for_each_chunk(io.outputs.float(0), c * oc, &|tap, dw| gradient_tap(sums, tap, dw));
    };
    let scratch = sums_len + blocks * (x_len + dy_len);
    Some(HostKernel::new(VARIANT, run).with_scratch(scratch))
}
