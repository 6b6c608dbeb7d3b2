//! Tiles of a 3x3 convolution and their transforms, for [`super::winograd`].
//!
//! A transformed block lies in memory as `[point, tile, channel]`; transforms work on a few
//! neighbouring channels at once, which the compiler vectorises.

/// Elements of a transformed tile.
pub(super) const POINTS: usize = 16;

/// Neighbouring channels of one element.
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

/// Tiles of 2x2 outputs, in blocks of whole images.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tiles {
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
    pub fn new(output: [usize; 2], padding: [usize; 2], n: usize, wanted: usize) -> Self {
        let [lines, columns] = output.map(|size| size.div_ceil(2));
        let images = (wanted / (lines * columns)).clamp(1, n);
        Self { lines, columns, padding, images }
    }

    pub fn in_image(&self) -> usize {
        self.lines * self.columns
    }

    pub fn in_block(&self) -> usize {
        self.images * self.in_image()
    }

    /// `B' d B` of the tiles of the first `images` images of `x`.
    pub fn transform_inputs(&self, x: &[f32], plane: Plane, images: usize, points: &mut [f32]) {
        let [top, left] = self.padding;
        self.for_each_lane(plane, images, |x_at, tile, [line, column], c| {
            let x = &x[x_at..x_at + plane.len()];
            let mut d = [ZERO; 16];
            for (k, d) in d.iter_mut().enumerate() {
                let y_at = (2 * line + k / 4).checked_sub(top);
                *d = plane.load(x, [y_at, (2 * column + k % 4).checked_sub(left)], c);
            }
            self.store(&each_channel(&d, inputs), points, [tile, c], plane.c);
        });
    }

    /// `A dy A'` of the tiles of the first `images` images of `dy`.
    pub fn transform_gradients(&self, dy: &[f32], plane: Plane, images: usize, points: &mut [f32]) {
        self.for_each_lane(plane, images, |dy_at, tile, [line, column], c| {
            let dy = &dy[dy_at..dy_at + plane.len()];
            let mut d = [ZERO; 4];
            for (k, d) in d.iter_mut().enumerate() {
                *d = plane.load(dy, [Some(2 * line + k / 2), Some(2 * column + k % 2)], c);
            }
            self.store(&each_channel(&d, gradients), points, [tile, c], plane.c);
        });
    }

    /// Writes `A' m A` of the tiles of a block to the outputs of the images in `y`.
    pub fn restore_outputs(&self, points: &[f32], plane: Plane, y: &mut [f32]) {
        let images = y.len() / plane.len();
        self.for_each_lane(plane, images, |y_at, tile, [line, column], c| {
            let mut m = [ZERO; POINTS];
            for (point, m) in m.iter_mut().enumerate() {
                let first = (point * self.in_block() + tile) * plane.c + c;
                m.copy_from_slice(&points[first..first + Plane::LANES]);
            }
            for (k, output) in each_channel(&m, outputs).iter().enumerate() {
                let (i, j) = (2 * line + k / 2, 2 * column + k % 2);
                if i < plane.h && j < plane.w {
                    let first = y_at + (i * plane.w + j) * plane.c + c;
                    y[first..first + Plane::LANES].copy_from_slice(output);
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

    #[inline]
    fn store(
        &self,
        d: &[Lane; POINTS],
        points: &mut [f32],
        [tile, c]: [usize; 2],
        channels: usize,
    ) {
        for (point, lane) in d.iter().enumerate() {
            let first = (point * self.in_block() + tile) * channels + c;
            points[first..first + Plane::LANES].copy_from_slice(lane);
        }
    }
}

// Plain loops over arrays: helpers with closures, such as `array::from_fn`, are not always inlined
// here, which makes the transforms ten times slower.

/// Applies a function of `I` elements to each channel.
#[inline(always)]
fn each_channel<const I: usize, const O: usize>(
    x: &[Lane; I],
    function: fn(&[f32; I], &mut [f32; O]),
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

/// `B' d B`, with `B'` = `[1 0 -1 0; 0 1 1 0; 0 -1 1 0; 0 1 0 -1]`.
#[inline(always)]
fn inputs(d: &[f32; 16], y: &mut [f32; 16]) {
    let mut down = [0.0; 16];
    for j in 0..4 {
        down[j] = d[j] - d[8 + j];
        down[4 + j] = d[4 + j] + d[8 + j];
        down[8 + j] = d[8 + j] - d[4 + j];
        down[12 + j] = d[4 + j] - d[12 + j];
    }
    for i in 0..4 {
        let i = 4 * i;
        y[i] = down[i] - down[i + 2];
        y[i + 1] = down[i + 1] + down[i + 2];
        y[i + 2] = down[i + 2] - down[i + 1];
        y[i + 3] = down[i + 1] - down[i + 3];
    }
}

/// `A dy A'`, with `A` = `[1 0; 1 1; 1 -1; 0 -1]`.
#[inline(always)]
fn gradients(dy: &[f32; 4], y: &mut [f32; 16]) {
    let [a, b, c, d] = *dy;
    let down = [[a, b], [a + c, b + d], [a - c, b - d], [-c, -d]];
    for i in 0..4 {
        let [a, b] = down[i];
        y[4 * i] = a;
        y[4 * i + 1] = a + b;
        y[4 * i + 2] = a - b;
        y[4 * i + 3] = -b;
    }
}

/// `A' m A`, with `A'` = `[1 1 1 0; 0 1 -1 -1]`.
#[inline(always)]
fn outputs(m: &[f32; 16], y: &mut [f32; 4]) {
    let mut down = [0.0; 8];
    for j in 0..4 {
        down[j] = m[j] + m[4 + j] + m[8 + j];
        down[4 + j] = m[4 + j] - m[8 + j] - m[12 + j];
    }
    for i in 0..2 {
        let at = 4 * i;
        y[2 * i] = down[at] + down[at + 1] + down[at + 2];
        y[2 * i + 1] = down[at + 1] - down[at + 2] - down[at + 3];
    }
}

/// `G`, a row for each line of points.
const G: [[f32; 3]; 4] = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]];

/// One point of `G g G'`, for all channels; `flipped` turns the window by half a turn.
pub(super) fn weight_point(weights: &[f32], point: usize, flipped: bool, u: &mut [f32]) {
    let taps = (0..9).map(|tap| {
        let turned = if flipped { 8 - tap } else { tap };
        (turned, G[point / 4][tap / 3] * G[point % 4][tap % 3])
    });
    combine(weights, taps, u);
}

/// One tap of `G' s G`, for all channels.
pub(super) fn gradient_tap(sums: &[f32], tap: usize, dw: &mut [f32]) {
    let points = (0..POINTS).map(|p| (p, G[p / 4][tap / 3] * G[p % 4][tap % 3]));
    combine(sums, points, dw);
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
