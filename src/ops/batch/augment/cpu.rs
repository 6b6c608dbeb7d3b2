//! An augmented batch on the CPU: crop and flip into a staged copy with a black border, then sample
//! levels from it, then normalize them in a loop that the compiler vectorizes.

use super::decision::Decision;
use super::options::{FillMode, PaddingMode};
use super::{AugmentBatch, Layout, WHITE_LEVEL};
use crate::graph::{HostIo, HostKernel};
use crate::ops::IGNORED_LABEL;
use crate::tensor::parallel::for_each_chunk_of;
use crate::tensor::turn::ONE;

/// The sizes of an image.
#[derive(Debug, Clone, Copy)]
struct Size {
    height: usize,
    width: usize,
    channels: usize,
}

impl Size {
    fn image(self) -> usize {
        self.height * self.width * self.channels
    }

    /// Bytes of a row of the staged copy.
    fn pitch(self) -> usize {
        (self.width + 1) * self.channels
    }

    /// Words of the staged copy.
    fn staged_words(self) -> usize {
        (self.pitch() * (self.height + 1)).div_ceil(4)
    }
}

pub(super) fn kernel(op: &AugmentBatch, layout: &Layout) -> HostKernel {
    let Layout { height, width, channels, .. } = *layout;
    let size = Size { height, width, channels };
    let scratch = op.gather.batch * size.staged_words();
    let op = op.clone();
    HostKernel::new("staged_rows", move |io, scratch| run(&op, size, io, scratch))
        .with_scratch(scratch)
}

fn run(op: &AugmentBatch, size: Size, io: &mut HostIo<'_, f32>, scratch: &mut [f32]) {
    let (labels, order) = (io.inputs.u32(0), io.inputs.u32(1));
    let step = io.inputs.u32(2)[0];
    let gather = &op.gather;
    let first = (step as usize % gather.steps_per_epoch) * gather.batch;
    let place_of = |row: usize| gather.place(order, labels.len(), first + row);
    for (row, y) in io.outputs.u32(1).iter_mut().enumerate() {
        *y = place_of(row).map_or(IGNORED_LABEL, |place| labels[place]);
    }
    let inputs = &io.inputs;
    let statistics = if op.per_pixel { inputs.float(3) } else { &[] };
    let (centers, numbers) = (op.centers(size.channels), op.in_levels(size.channels));
    let image = size.image();
    let staged = scratch.get_mut(..gather.batch * size.staged_words()).unwrap_or_default();
    let tensors = [io.outputs.float(0), staged];
    for_each_chunk_of(tensors, [image, size.staged_words()], &|row, [x, staged]| {
        let Some(place) = place_of(row) else { return x.fill(0.0) };
        let shard = inputs.u8(op.first_shard() + place / gather.shard_len);
        let bytes = &shard[place % gather.shard_len * image..][..image];
        let decision = Decision::draw(op, [size.height, size.width], order[first + row], step);
        let staged: &mut [u8] = bytemuck::cast_slice_mut(staged);
        stage(op, size, &decision, bytes, staged);
        if op.augment.is_affine() {
            sample(size, op.augment.fill, &decision, staged, x);
        } else {
            let rows = staged.chunks_exact(size.pitch()).skip(1);
            for (x, bytes) in x.chunks_exact_mut(size.width * size.channels).zip(rows) {
                for (x, &byte) in x.iter_mut().zip(&bytes[size.channels..]) {
                    *x = f32::from(byte) * 256.0;
                }
            }
        }
        if op.augment.brightness > 0.0 || op.augment.contrast > 0.0 {
            shade(op, &decision, &centers, x);
        }
        if op.per_pixel {
            let (means, scales) = statistics.split_at(image);
            for ((x, mean), scale) in x.iter_mut().zip(means).zip(scales) {
                *x = (*x - mean) * scale;
            }
        } else {
            normalize(&numbers, x);
        }
        if op.augment.cutout > 0 {
            cut_out(op.augment.cutout, size, decision.cutout, x);
        }
    });
}

/// Writes the image after crop and flip, behind a row and a column of black pixels.
fn stage(op: &AugmentBatch, size: Size, decision: &Decision, bytes: &[u8], staged: &mut [u8]) {
    let Size { height, width, channels } = size;
    let reflects = op.augment.crop_mode == PaddingMode::Reflect;
    let [down, across] = decision.crop;
    staged.fill(0);
    let rows = staged.chunks_exact_mut(size.pitch()).skip(1).take(height);
    for (row, staged) in rows.enumerate() {
        let Some(from) = source(row, down, height, reflects) else { continue };
        let bytes = &bytes[from * width * channels..][..width * channels];
        let staged = &mut staged[channels..(width + 1) * channels];
        if !decision.flipped && across == 0 {
            staged.copy_from_slice(bytes);
            continue;
        }
        for (column, pixel) in staged.chunks_exact_mut(channels).enumerate() {
            let column = if decision.flipped { width - 1 - column } else { column };
            if let Some(from) = source(column, across, width, reflects) {
                pixel.copy_from_slice(&bytes[from * channels..][..channels]);
            }
        }
    }
}

/// Where a row or column of the crop lies in the image; nowhere for black.
fn source(at: usize, shift: i32, side: usize, reflects: bool) -> Option<usize> {
    let far = usize::try_from(shift.unsigned_abs()).ok()?;
    if shift < 0 {
        match at.checked_sub(far) {
            Some(at) => Some(at),
            None => reflects.then(|| far - at),
        }
    } else if at + far < side {
        Some(at + far)
    } else {
        reflects.then(|| 2 * (side - 1) - (at + far))
    }
}

/// Writes bilinear samples of the staged image, or of what lies around it, in levels.
fn sample(size: Size, fill: FillMode, decision: &Decision, staged: &[u8], x: &mut [f32]) {
    let Size { height, width, channels } = size;
    let signed = |n: usize| i32::try_from(n).expect("infer has checked that sides are short");
    let (last_row, last_column) = (signed(height) - 1, signed(width) - 1);
    let [[a, b], [c, d]] = decision.matrix;
    let pitch = size.pitch();
    for (row, line) in (0..).zip(x.chunks_exact_mut(width * channels)) {
        let down = 2 * row - last_row;
        let mut u = b * down + decision.offset[0] - a * last_column + 64;
        let mut v = d * down + decision.offset[1] - c * last_column + 64;
        for pixel in line.chunks_exact_mut(channels) {
            // In pixels times 256; the next column is two half pixels further.
            let (px, py) = (u >> 7, v >> 7);
            (u, v) = (u + 2 * a, v + 2 * c);
            let (left, top) = (px >> 8, py >> 8);
            // The first row and the first column, of index 0, are what lies outside.
            let place = |at: i32, side: i32| fill.place(at, side).map_or(0, |at| at + 1);
            let columns = [left, left + 1].map(|at| place(at, last_column + 1));
            let rows = [top, top + 1].map(|at| place(at, last_row + 1));
            let [columns, rows] = [columns, rows].map(|two| two.map(i32::unsigned_abs));
            if columns == [0; 2] || rows == [0; 2] {
                pixel.fill(0.0);
                continue;
            }
            let [fx, fy] = [px & 255, py & 255].map(i32::unsigned_abs);
            let [[p, q], [r, s]] = rows.map(|row| {
                columns.map(|column| {
                    &staged[row as usize * pitch + column as usize * channels..][..channels]
                })
            });
            for (i, x) in pixel.iter_mut().enumerate() {
                let [upper, lower] = [[p, q], [r, s]].map(|[left, right]| {
                    (256 - fx) * u32::from(left[i]) + fx * u32::from(right[i])
                });
                *x = level_as_f32(((256 - fy) * upper + fy * lower + 128) >> 8);
            }
        }
    }
}

/// A level as a float, exactly.
fn level_as_f32(level: u32) -> f32 {
    f32::from(u16::try_from(level).unwrap_or(u16::MAX))
}

/// Changes brightness and contrast of levels.
fn shade(op: &AugmentBatch, decision: &Decision, centers: &[u32], x: &mut [f32]) {
    let white = i64::from(WHITE_LEVEL);
    let one = i64::from(ONE);
    let (brightness, contrast) = (i64::from(decision.brightness), i64::from(decision.contrast));
    let (brightens, contrasts) = (op.augment.brightness > 0.0, op.augment.contrast > 0.0);
    for pixel in x.chunks_exact_mut(centers.len()) {
        for (x, &center) in pixel.iter_mut().zip(centers) {
            #[expect(clippy::cast_possible_truncation, reason = "a level: an integer in 0..=65280")]
            let mut level = *x as i64;
            if brightens {
                level = ((level * brightness + one / 2) >> 14).min(white);
            }
            if contrasts {
                let center = i64::from(center);
                level = center + (((level - center) * contrast + one / 2) >> 14);
                level = level.clamp(0, white);
            }
            *x = level_as_f32(u32::try_from(level).unwrap_or(0));
        }
    }
}

/// Normalizes levels by the numbers of their channels.
fn normalize(numbers: &[[f32; 2]], x: &mut [f32]) {
    if let [[mean, scale]] = numbers {
        for x in x {
            *x = (*x - mean) * scale;
        }
        return;
    }
    for pixel in x.chunks_exact_mut(numbers.len()) {
        for (x, [mean, scale]) in pixel.iter_mut().zip(numbers) {
            *x = (*x - mean) * scale;
        }
    }
}

/// Sets a square to zero, as far as it lies within the image.
fn cut_out(side: usize, size: Size, first: [i32; 2], x: &mut [f32]) {
    let range = |first: i32, most: usize| {
        let begin = usize::try_from(first.max(0)).unwrap_or(0);
        let end = usize::try_from(i64::from(first) + side as i64).unwrap_or(0).min(most);
        begin..end.max(begin)
    };
    let (rows, columns) = (range(first[0], size.height), range(first[1], size.width));
    let columns = columns.start * size.channels..columns.end * size.channels;
    let lines = x.chunks_exact_mut(size.width * size.channels);
    for line in lines.skip(rows.start).take(rows.len()) {
        line[columns.clone()].fill(0.0);
    }
}
