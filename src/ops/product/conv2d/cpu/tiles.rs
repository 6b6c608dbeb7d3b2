//! Tiles of a 3x3 convolution and their transforms, for [`super::winograd`].
//!
//! A transformed block lies in memory as `[point, tile, channel]`; transforms work on a few
//! neighboring channels at once, which the compiler vectorizes.

use crate::ops::product::conv2d::winograd::Filtering;

/// Neighboring channels of one element.
type Lane = [f32; Plane::LANES];

const ZERO: Lane = [0.0; Plane::LANES];

/// Sizes of one image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plane {
    pub h: usize,
    pub w: usize,
    pub c: usize,
}

impl Plane {
    /// Channels that are transformed at once.
    pub const LANES: usize = 8;

    pub fn len(&self) -> usize {
        self.h * self.w * self.c
    }

    /// The channels from `c` on of a pixel of an image: zero outside.
    #[inline]
    fn load(&self, x: &[f32], [y_at, x_at]: [Option<usize>; 2], c: usize) -> Lane {
        match (y_at.filter(|&y| y < self.h), x_at.filter(|&x| x < self.w)) {
            (Some(y), Some(x_at)) => {
                let first = (y * self.w + x_at) * self.c + c;
                let mut lane = ZERO;
                lane.copy_from_slice(&x[first..first + Self::LANES]);
                lane
            }
            _ => ZERO,
        }
    }
}

/// Tiles of square outputs, in blocks of whole images.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tiles {
    pub filtering: Filtering,
    /// Lines and columns of tiles of an image.
    lines: usize,
    columns: usize,
    /// Rows and columns of zeros before the input.
    padding: [usize; 2],
    /// Images of a block.
    pub images: usize,
}

impl Tiles {
    /// Tiles of `n` images with outputs of `output` rows and columns: about `wanted` in a block.
    pub fn new(
        filtering: Filtering,
        output: [usize; 2],
        padding: [usize; 2],
        n: usize,
        wanted: usize,
    ) -> Self {
        let [lines, columns] = output.map(|size| size.div_ceil(filtering.tile()));
        let images = (wanted / (lines * columns)).clamp(1, n);
        Self { filtering, lines, columns, padding, images }
    }

    pub fn in_image(&self) -> usize {
        self.lines * self.columns
    }

    pub fn in_block(&self) -> usize {
        self.images * self.in_image()
    }

    /// `B' d B` of the tiles of the first `images` images of `x`.
    pub fn transform_inputs(&self, x: &[f32], plane: Plane, images: usize, points: &mut [f32]) {
        let from = (x, plane, self.padding);
        match self.filtering {
            Filtering::TilesOf2 => self.transform(from, images, points, inputs_of_2),
            Filtering::TilesOf4 => self.transform(from, images, points, inputs_of_4),
        }
    }

    /// `A dy A'` of the tiles of the first `images` images of `dy`.
    pub fn transform_gradients(&self, dy: &[f32], plane: Plane, images: usize, points: &mut [f32]) {
        let from = (dy, plane, [0, 0]);
        match self.filtering {
            Filtering::TilesOf2 => self.transform(from, images, points, gradients_of_2),
            Filtering::TilesOf4 => self.transform(from, images, points, gradients_of_4),
        }
    }

    /// Writes `A' m A` of the tiles of a block to the outputs of the images in `y`.
    pub fn restore_outputs(&self, points: &[f32], plane: Plane, y: &mut [f32]) {
        match self.filtering {
            Filtering::TilesOf2 => self.restore(points, plane, y, outputs_of_2),
            Filtering::TilesOf4 => self.restore(points, plane, y, outputs_of_4),
        }
    }

    /// Transforms the `I` x `I` pixels of each tile to `O` x `O` points.
    #[inline]
    fn transform<const I: usize, const O: usize>(
        &self,
        (x, plane, [top, left]): (&[f32], Plane, [usize; 2]),
        images: usize,
        points: &mut [f32],
        function: impl Fn(&[f32; I], &mut [f32; O]) + Copy,
    ) {
        let step = self.filtering.tile();
        self.for_each_lane(plane, images, |x_at, tile, [line, column], c| {
            let x = &x[x_at..x_at + plane.len()];
            let mut d = [[ZERO; I]; I];
            for (i, row) in d.iter_mut().enumerate() {
                let y_at = (step * line + i).checked_sub(top);
                for (j, d) in row.iter_mut().enumerate() {
                    *d = plane.load(x, [y_at, (step * column + j).checked_sub(left)], c);
                }
            }
            for (point, lane) in both_ways(&d, function).iter().flatten().enumerate() {
                let first = (point * self.in_block() + tile) * plane.c + c;
                points[first..first + Plane::LANES].copy_from_slice(lane);
            }
        });
    }

    /// Transforms the `I` x `I` points of each tile to `O` x `O` pixels.
    #[inline]
    fn restore<const I: usize, const O: usize>(
        &self,
        points: &[f32],
        plane: Plane,
        y: &mut [f32],
        function: impl Fn(&[f32; I], &mut [f32; O]) + Copy,
    ) {
        let images = y.len() / plane.len();
        self.for_each_lane(plane, images, |y_at, tile, [line, column], c| {
            let mut m = [[ZERO; I]; I];
            for (point, m) in m.iter_mut().flatten().enumerate() {
                let first = (point * self.in_block() + tile) * plane.c + c;
                m.copy_from_slice(&points[first..first + Plane::LANES]);
            }
            for (i, row) in both_ways(&m, function).iter().enumerate() {
                for (j, output) in row.iter().enumerate() {
                    let (i, j) = (O * line + i, O * column + j);
                    if i < plane.h && j < plane.w {
                        let first = y_at + (i * plane.w + j) * plane.c + c;
                        y[first..first + Plane::LANES].copy_from_slice(output);
                    }
                }
            }
        });
    }

    /// Calls `work` with the first element of the image, the number of the tile in the block, its
    /// place in the image, and its first channel.
    #[inline]
    fn for_each_lane(
        &self,
        plane: Plane,
        images: usize,
        mut work: impl FnMut(usize, usize, [usize; 2], usize),
    ) {
        for tile in 0..images * self.in_image() {
            let (image, place) = (tile / self.in_image(), tile % self.in_image());
            let place = [place / self.columns, place % self.columns];
            for c in (0..plane.c).step_by(Plane::LANES) {
                work(image * plane.len(), tile, place, c);
            }
        }
    }
}

// Plain loops over arrays: helpers with closures, such as `array::from_fn`, are not always inlined
// here, which makes the transforms ten times slower.

/// Applies a function to each column, then to each row of the result.
#[inline(always)]
fn both_ways<const I: usize, const O: usize>(
    x: &[[Lane; I]; I],
    function: impl Fn(&[f32; I], &mut [f32; O]) + Copy,
) -> [[Lane; O]; O] {
    let mut down = [[ZERO; I]; O];
    for j in 0..I {
        let mut column = [ZERO; I];
        for i in 0..I {
            column[i] = x[i][j];
        }
        let column = each_channel(&column, function);
        for i in 0..O {
            down[i][j] = column[i];
        }
    }
    let mut y = [[ZERO; O]; O];
    for i in 0..O {
        y[i] = each_channel(&down[i], function);
    }
    y
}

/// Applies a function of `I` elements to each channel.
#[inline(always)]
fn each_channel<const I: usize, const O: usize>(
    x: &[Lane; I],
    function: impl Fn(&[f32; I], &mut [f32; O]) + Copy,
) -> [Lane; O] {
    let mut y = [ZERO; O];
    for channel in 0..Plane::LANES {
        let (mut before, mut after) = ([0.0; I], [0.0; O]);
        for k in 0..I {
            before[k] = x[k][channel];
        }
        function(&before, &mut after);
        for k in 0..O {
            y[k][channel] = after[k];
        }
    }
    y
}

// One direction of the transforms, by the matrices of `Filtering`, whose test compares them. For
// tiles of four, pairs of points that differ in sign share what is even and what is odd.

/// `B' d`.
#[inline(always)]
fn inputs_of_2(d: &[f32; 4], y: &mut [f32; 4]) {
    *y = [d[2] - d[0], d[1] + d[2], d[2] - d[1], d[3] - d[1]];
}

/// `A dy`.
#[inline(always)]
fn gradients_of_2(dy: &[f32; 2], y: &mut [f32; 4]) {
    *y = [dy[0], dy[0] + dy[1], dy[0] - dy[1], dy[1]];
}

/// `A' m`.
#[inline(always)]
fn outputs_of_2(m: &[f32; 4], y: &mut [f32; 2]) {
    *y = [m[0] + m[1] + m[2], m[1] - m[2] + m[3]];
}

/// The point near zero, whose square is a half; the other one is its inverse.
const NEAR: f32 = std::f32::consts::FRAC_1_SQRT_2;
const FAR: f32 = std::f32::consts::SQRT_2;

/// `B' d`.
#[inline(always)]
fn inputs_of_4(d: &[f32; 6], y: &mut [f32; 6]) {
    let (near_even, near_odd) = (d[4] - 2.0 * d[2], NEAR * d[3] - FAR * d[1]);
    let (far_even, far_odd) = (d[4] - 0.5 * d[2], FAR * d[3] - NEAR * d[1]);
    *y = [
        d[0] - 2.5 * d[2] + d[4],
        near_even + near_odd,
        near_even - near_odd,
        far_even + far_odd,
        far_even - far_odd,
        d[1] - 2.5 * d[3] + d[5],
    ];
}

/// `A dy`.
#[inline(always)]
fn gradients_of_4(dy: &[f32; 4], y: &mut [f32; 6]) {
    let (near_even, near_odd) = (dy[0] + 0.5 * dy[2], NEAR * (dy[1] + 0.5 * dy[3]));
    let (far_even, far_odd) = (dy[0] + 2.0 * dy[2], FAR * (dy[1] + 2.0 * dy[3]));
    *y = [
        dy[0],
        near_even + near_odd,
        near_even - near_odd,
        far_even + far_odd,
        far_even - far_odd,
        dy[3],
    ];
}

/// `A' m`.
#[inline(always)]
fn outputs_of_4(m: &[f32; 6], y: &mut [f32; 4]) {
    let (near_even, near_odd) = (m[1] + m[2], NEAR * (m[1] - m[2]));
    let (far_even, far_odd) = (m[3] + m[4], FAR * (m[3] - m[4]));
    *y = [
        m[0] + near_even + far_even,
        near_odd + far_odd,
        0.5 * near_even + 2.0 * far_even,
        0.5 * near_odd + 2.0 * far_odd + m[5],
    ];
}

/// One point of `G g G'`, for all channels, by the factors of the taps; `flipped` turns the window by
/// half a turn.
pub(super) fn weight_point(weights: &[f32], factors: &[f32; 9], flipped: bool, u: &mut [f32]) {
    let turned = |tap: usize| if flipped { 8 - tap } else { tap };
    combine(weights, factors.iter().enumerate().map(|(tap, &factor)| (turned(tap), factor)), u);
}

/// One tap of `G' s G`, for all channels, by its factor in each point.
pub(super) fn gradient_tap(sums: &[f32], factors: &[[f32; 9]], tap: usize, dw: &mut [f32]) {
    combine(sums, factors.iter().map(|taps| taps[tap]).enumerate(), dw);
}

/// `y[i]` = sum of `factor x[part, i]`, in order; each part has the length of `y`.
fn combine(x: &[f32], parts: impl Iterator<Item = (usize, f32)>, y: &mut [f32]) {
    y.fill(0.0);
    for (part, factor) in parts.filter(|&(_, factor)| factor != 0.0) {
        let x = &x[part * y.len()..];
        for (y, x) in y.iter_mut().zip(x) {
            *y += factor * x;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::winograd::{Matrix, transposed};
    use super::*;

    /// Each function gives, column by column, the matrix that it stands for.
    fn agrees<const I: usize, const O: usize>(
        function: fn(&[f32; I], &mut [f32; O]),
        matrix: &Matrix,
    ) {
        for column in 0..I {
            let (mut unit, mut y) = ([0.0; I], [0.0; O]);
            unit[column] = 1.0;
            function(&unit, &mut y);
            for (row, y) in y.into_iter().enumerate() {
                let expected = matrix[row][column];
                assert!((f64::from(y) - expected).abs() < 1e-6, "{row}, {column}: {y}");
            }
        }
    }

    #[test]
    fn transforms_are_products_with_the_matrices() {
        let matrices = Filtering::TilesOf2.matrices();
        agrees(inputs_of_2, &matrices.inputs);
        agrees(gradients_of_2, &matrices.outputs);
        agrees(outputs_of_2, &transposed(&matrices.outputs));
        let matrices = Filtering::TilesOf4.matrices();
        agrees(inputs_of_4, &matrices.inputs);
        agrees(gradients_of_4, &matrices.outputs);
        agrees(outputs_of_4, &transposed(&matrices.outputs));
    }
}
