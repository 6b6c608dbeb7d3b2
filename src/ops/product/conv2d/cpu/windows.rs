//! Windows of a convolution as rows of a matrix, on the CPU.
//!
//! Row `r` is output pixel `r`, counted over all images; its columns are the taps of the window, in
//! the order of the weights, with all channels of each tap. Blocks of the matrix are made when they
//! are needed and stay in the cache ("im2col" in parts).

use std::ops::Range;

use crate::ops::product::conv2d::ConvGeometry;
use crate::ops::product::conv2d::geometry::Sizes;

/// The windows of one convolution in one group.
#[derive(Debug, Clone)]
pub(super) struct Windows {
    geometry: ConvGeometry,
    sizes: Sizes,
}

/// Taps of one row of a window that lie side by side in the input, or in the padding.
struct Run {
    /// First element among the columns of the block.
    column: usize,
    /// First element in the input; none in the padding.
    pixel: Option<usize>,
    /// Elements.
    len: usize,
}

impl Windows {
    pub fn new(geometry: &ConvGeometry, sizes: Sizes) -> Self {
        Self { geometry: geometry.clone(), sizes }
    }

    /// Whether each window is one pixel, all of them in order: then the matrix is the input.
    pub fn are_pixels(&self) -> bool {
        let Sizes { kh, kw, .. } = self.sizes;
        [kh, kw] == [1, 1] && self.geometry.stride == [1, 1] && self.geometry.padding == [0; 4]
    }

    /// Writes the given taps of the given rows into `block`.
    pub fn gather(&self, x: &[f32], rows: Range<usize>, taps: Range<usize>, block: &mut [f32]) {
        let columns = taps.len() * self.sizes.c;
        for (r, block) in rows.zip(block.chunks_exact_mut(columns)) {
            self.for_each_run(r, taps.clone(), |run| {
                let to = &mut block[run.column..run.column + run.len];
                match run.pixel {
                    Some(pixel) => to.copy_from_slice(&x[pixel..pixel + run.len]),
                    None => to.fill(0.0),
                }
            });
        }
    }

    /// Adds the given taps of the given rows from `block` to the pixels that they read. `x` starts
    /// at pixel `first_pixel`.
    pub fn scatter_add(
        &self,
        block: &[f32],
        rows: Range<usize>,
        taps: Range<usize>,
        first_pixel: usize,
        x: &mut [f32],
    ) {
        let columns = taps.len() * self.sizes.c;
        let start = first_pixel * self.sizes.c;
        for (r, block) in rows.zip(block.chunks_exact(columns)) {
            self.for_each_run(r, taps.clone(), |run| {
                let Some(pixel) = run.pixel else { return };
                let from = &block[run.column..run.column + run.len];
                let to = &mut x[pixel - start..pixel - start + run.len];
                for (to, from) in to.iter_mut().zip(from) {
                    *to += from;
                }
            });
        }
    }

    /// Calls `work` with the runs of a row, in the order of its columns, which they cover.
    #[inline]
    fn for_each_run(&self, row: usize, taps: Range<usize>, mut work: impl FnMut(Run)) {
        let Sizes { h, w, c, kw, oh, ow, .. } = self.sizes;
        let (image, oy, ox) = (row / (oh * ow), row / ow % oh, row % ow);
        let mut tap = taps.start;
        while tap < taps.end {
            let (ky, kx) = (tap / kw, tap % kw);
            let end = (kx + taps.end - tap).min(kw);
            let column = (tap - taps.start) * c;
            let whole = Run { column, pixel: None, len: (end - kx) * c };
            match self.geometry.tap(0, oy, ky, h) {
                None => work(whole),
                Some(iy) => {
                    let line = (image * h + iy) * w;
                    self.split_line(ox, kx..end, line, &whole, &mut work);
                }
            }
            tap += end - kx;
        }
    }

    /// The runs of taps `kx` of window `ox`, on a line of the input that starts at pixel `line`.
    #[inline]
    fn split_line(
        &self,
        ox: usize,
        kx: Range<usize>,
        line: usize,
        whole: &Run,
        work: &mut impl FnMut(Run),
    ) {
        let Sizes { w, c, .. } = self.sizes;
        let at = |k: usize| whole.column + (k - kx.start) * c;
        if self.geometry.dilation[1] > 1 {
            for k in kx.clone() {
                let pixel = self.geometry.tap(1, ox, k, w).map(|ix| (line + ix) * c);
                work(Run { column: at(k), pixel, len: c });
            }
            return;
        }
        // Tap k reads pixel `left + k - padding`.
        let (left, padding) = (ox * self.geometry.stride[1], self.geometry.padding[2]);
        let first = padding.saturating_sub(left).clamp(kx.start, kx.end);
        let last = (w + padding).saturating_sub(left).clamp(first, kx.end);
        let mut run = |taps: Range<usize>, pixel| {
            if !taps.is_empty() {
                work(Run { column: at(taps.start), pixel, len: taps.len() * c });
            }
        };
        run(kx.start..first, None);
        let inside = first < last;
        run(first..last, inside.then(|| (line + left + first - padding) * c));
        run(last..kx.end, None);
    }
}
