//! 3x3 convolutions on the CPU with fewer multiplications, 2.25 or four times.
//!
//! Winograd's F(2x2, 3x3): a tile of 4x4 inputs gives 2x2 outputs as
//! `A' [(G g G') * (B' d B)] A`, where `*` multiplies element by element; over all tiles and
//! channels, that is one matrix product for each of the 16 points. F(4x4, 3x3) has tiles of 6x6
//! inputs, 36 points and 4x4 outputs. The gradient of the input is such a convolution, too; that of
//! the weights is `G' [sum over tiles of (B' d B) * (A dy A')] G`.
//! Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016.

use super::tiles::{Plane, Tiles, gradient_tap, weight_point};
use crate::graph::{HostIo, HostKernel};
use crate::ops::product::conv2d::geometry::Sizes;
use crate::ops::product::conv2d::winograd::Filtering;
use crate::ops::product::conv2d::{Conv2d, Conv2dInputGrad, Conv2dWeightGrad, ConvGeometry};
use crate::ops::product::tail::{ProductTail, TailOperands};
use crate::tensor::Real;
use crate::tensor::gemm::{Matrix, multiply, multiply_add};
use crate::tensor::parallel::{for_each_chunk, for_each_chunk_of, shares};

/// Fewest channels on both sides: below, transforms cost more than they save.
const WIDE: usize = 64;
/// Products of channels from which tiles of four have been measured to gain; below, their larger
/// rounding error buys nothing.
const LEAST_PRODUCTS_OF_4: usize = 64 * 128;
/// Most pixels of an image: whole images are transformed at once.
const MOST_PIXELS: usize = 4096;
/// Output pixels of a block, where one image has no more: enough rows for an efficient product.
const CONVOLVED: usize = 1024;
/// Output pixels whose tiles are summed in one product of a weight gradient.
const SUMMED: usize = 2048;

fn applies(geometry: &ConvGeometry, sizes: &Sizes) -> bool {
    let Sizes { h, w, c, kh, kw, oc, .. } = *sizes;
    [kh, kw] == [3, 3]
        && geometry.stride == [1, 1]
        && geometry.dilation == [1, 1]
        && geometry.groups == 1
        // The gradient of the input is padded by what is left of two.
        && geometry.padding.iter().all(|&padding| padding <= 2)
        && [c, oc].iter().all(|n| n.is_multiple_of(Plane::LANES))
        && h * w <= MOST_PIXELS
}

/// A rough estimate of the time, in multiply-adds, where `output` are the pixels of the result.
fn estimate(filtering: Filtering, [h, w]: [usize; 2], [k, n]: [usize; 2]) -> usize {
    /// Multiply-adds of a product in the time of one transformed element.
    const PER_ELEMENT: usize = 16;
    let tiles = h.div_ceil(filtering.tile()) * w.div_ceil(filtering.tile());
    filtering.elements() * tiles * (k * n + PER_ELEMENT * (k + n))
}

/// Adds kernels by every filtering to `direct`, the least estimate first.
fn beside(
    direct: Vec<HostKernel>,
    (output, channels): ([usize; 2], [usize; 2]),
    kernel: impl Fn(Filtering) -> HostKernel,
) -> Vec<HostKernel> {
    let [k, n] = channels;
    let least = |filtering: Filtering| match filtering {
        Filtering::TilesOf2 => 0,
        Filtering::TilesOf4 => LEAST_PRODUCTS_OF_4,
    };
    let pays = |filtering: Filtering| k.min(n) >= WIDE && k * n >= least(filtering);
    let mut all =
        Filtering::ALL.map(|filtering| (estimate(filtering, output, channels), filtering));
    all.sort_by_key(|&(estimate, _)| estimate);
    let (first, last): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|&(_, filtering)| pays(filtering));
    let of = |all: Vec<(usize, Filtering)>| all.into_iter().map(|(_, filtering)| kernel(filtering));
    of(first).chain(direct).chain(of(last)).collect()
}

/// A name that starts with that of the filtering.
fn variant(filtering: Filtering) -> &'static str {
    match filtering {
        Filtering::TilesOf2 => "winograd_2x2_blocks",
        Filtering::TilesOf4 => "winograd_4x4_blocks",
    }
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
    fn new(filtering: Filtering, n: usize, from: Plane, to: Plane, padding: [usize; 2]) -> Self {
        let wanted = CONVOLVED / filtering.tile().pow(2);
        let tiles = Tiles::new(filtering, [to.h, to.w], padding, n, wanted);
        Self { tiles, from, to, shares: shares(n.div_ceil(tiles.images)) }
    }

    fn points(&self) -> usize {
        self.tiles.filtering.elements()
    }

    /// Scratch memory of one share: a transformed block before and after the product.
    fn share_len(&self) -> usize {
        self.points() * self.tiles.in_block() * (self.from.c + self.to.c)
    }

    /// Transformed weights, and a part for each share.
    fn scratch(&self) -> usize {
        self.points() * self.from.c * self.to.c + self.shares[1] * self.share_len()
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
            let half = self.points() * self.tiles.in_block() * self.from.c;
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
                for point in 0..self.points() {
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

/// The factors of the taps in each point of transformed weights.
fn factors(filtering: Filtering) -> Vec<[f32; 9]> {
    let matrix = filtering.matrices().weights;
    let side = filtering.side();
    let factor = |point: usize, tap: usize| -> f32 {
        Real::from_f64(matrix[point / side][tap / 3] * matrix[point % side][tap % 3])
    };
    (0..filtering.elements()).map(|point| std::array::from_fn(|tap| factor(point, tap))).collect()
}

/// The transformed weights `[c, oc]` of each point; `flipped` turns the window by half a turn.
fn transform_weights(weights: &[f32], factors: &[[f32; 9]], flipped: bool, points: &mut [f32]) {
    let len = points.len() / factors.len();
    for_each_chunk(points, len, &|point, u| weight_point(weights, &factors[point], flipped, u));
}

/// Adds kernels that convolve the first input with the second, whose window is turned by half a turn
/// where it is `flipped`, as for the gradient of the input.
fn beside_convolution(
    direct: Vec<HostKernel>,
    (n, [from, to], padding): (usize, [Plane; 2], [usize; 2]),
    flipped: bool,
    tail: ProductTail,
) -> Vec<HostKernel> {
    beside(direct, ([to.h, to.w], [from.c, to.c]), |filtering| {
        let convolution = Convolution::new(filtering, n, from, to, padding);
        let (scratch, factors) = (convolution.scratch(), factors(filtering));
        let len = from.c * to.c;
        let run = move |io: &mut HostIo<'_, f32>, scratch: &mut [f32]| {
            let (points, scratch) = scratch.split_at_mut(convolution.points() * len);
            transform_weights(io.inputs.float(1), &factors, flipped, points);
            let points = &*points;
            let factor = |point: usize| {
                let weights = &points[point * len..];
                // Weights lie by the channels of the input of the convolution itself.
                if flipped {
                    Matrix::new(weights, to.c, from.c).transposed()
                } else {
                    Matrix::new(weights, from.c, to.c)
                }
            };
            let to = [io.outputs.float(0), scratch];
            convolution.run(io.inputs.float(0), &factor, to, tail.operands(&io.inputs));
        };
        HostKernel::new(variant(filtering), run).with_scratch(scratch)
    })
}

/// Adds kernels to those of a convolution.
pub(in crate::ops::product::conv2d) fn beside_forward(
    direct: Vec<HostKernel>,
    op: &Conv2d,
    sizes: &Sizes,
) -> Vec<HostKernel> {
    if !applies(&op.geometry, sizes) {
        return direct;
    }
    let &Sizes { n, h, w, c, oh, ow, oc, .. } = sizes;
    let [top, _, left, _] = op.geometry.padding;
    let planes = [Plane { h, w, c }, Plane { h: oh, w: ow, c: oc }];
    beside_convolution(direct, (n, planes, [top, left]), false, op.tail())
}

/// Adds kernels to those of the gradient of the input.
pub(in crate::ops::product::conv2d) fn beside_input_grad(
    direct: Vec<HostKernel>,
    op: &Conv2dInputGrad,
    sizes: &Sizes,
) -> Vec<HostKernel> {
    if !applies(&op.geometry, sizes) {
        return direct;
    }
    let &Sizes { n, h, w, c, oh, ow, oc, .. } = sizes;
    let [top, _, left, _] = op.geometry.padding;
    let planes = [Plane { h: oh, w: ow, c: oc }, Plane { h, w, c }];
    beside_convolution(direct, (n, planes, [2 - top, 2 - left]), true, op.tail())
}

/// Adds kernels to those of the gradient of the weights.
pub(in crate::ops::product::conv2d) fn beside_weight_grad(
    direct: Vec<HostKernel>,
    op: &Conv2dWeightGrad,
    sizes: &Sizes,
) -> Vec<HostKernel> {
    if !applies(&op.geometry, sizes) {
        return direct;
    }
    let &Sizes { oh, ow, c, oc, .. } = sizes;
    let [top, _, left, _] = op.geometry.padding;
    beside(direct, ([oh, ow], [c, oc]), |filtering| weight_grad(filtering, *sizes, [top, left]))
}

fn weight_grad(filtering: Filtering, sizes: Sizes, padding: [usize; 2]) -> HostKernel {
    let Sizes { n, h, w, c, oh, ow, oc, .. } = sizes;
    let (from, to) = (Plane { h, w, c }, Plane { h: oh, w: ow, c: oc });
    let tiles = Tiles::new(filtering, [oh, ow], padding, n, SUMMED / filtering.tile().pow(2));
    let factors = factors(filtering);
    let blocks = n.div_ceil(tiles.images);
    let [x_len, dy_len] = [c, oc].map(|c| filtering.elements() * tiles.in_block() * c);
    let sums_len = filtering.elements() * c * oc;
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
        for_each_chunk(io.outputs.float(0), c * oc, &|tap, dw| {
            gradient_tap(sums, &factors, tap, dw);
        });
    };
    let scratch = sums_len + blocks * (x_len + dy_len);
    HostKernel::new(variant(filtering), run).with_scratch(scratch)
}
