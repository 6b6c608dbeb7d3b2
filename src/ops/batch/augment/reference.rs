//! The specification of an augmented batch: pixel by pixel, in 64-bit integers.

use super::decision::Decision;
use super::options::{FillMode, PaddingMode};
use super::{AugmentBatch, WHITE_LEVEL};
use crate::graph::HostIo;
use crate::ops::IGNORED_LABEL;
use crate::tensor::Real;
use crate::tensor::parallel::for_each_chunk;

/// One image of the data set, with what is decided for it.
struct Source<'a> {
    op: &'a AugmentBatch,
    decision: Decision,
    bytes: &'a [u8],
    size: [i64; 3],
}

pub(super) fn forward<T: Real>(op: &AugmentBatch, io: &mut HostIo<'_, T>) {
    let (labels, order) = (io.inputs.u32(0), io.inputs.u32(1));
    let step = io.inputs.u32(2)[0];
    let statistics = if op.per_pixel { io.inputs.float(3) } else { &[] };
    let [_, height, width, channels] = io.outputs.dims::<4>(0);
    let image = height * width * channels;
    let first = (step as usize % op.gather.steps_per_epoch) * op.gather.batch;
    let shards: Vec<&[u8]> =
        (op.first_shard()..io.inputs.count()).map(|i| io.inputs.u8(i)).collect();
    let place_of = |row: usize| op.gather.place(order, labels.len(), first + row);
    for (row, y) in io.outputs.u32(1).iter_mut().enumerate() {
        *y = place_of(row).map_or(IGNORED_LABEL, |place| labels[place]);
    }
    let size = [height, width, channels].map(|n| i64::try_from(n).expect("sizes fit 32 bits"));
    for_each_chunk(io.outputs.float(0), image, &|row, x| {
        let Some(place) = place_of(row) else { return x.fill(T::from_f64(0.0)) };
        let start = (place % op.gather.shard_len) * image;
        let source = Source {
            op,
            decision: Decision::draw(op, [height, width], order[first + row], step),
            bytes: &shards[place / op.gather.shard_len][start..start + image],
            size,
        };
        for (i, x) in x.iter_mut().enumerate() {
            let at = [i / channels / width, i / channels % width, i % channels]
                .map(|n| i64::try_from(n).expect("sizes fit 32 bits"));
            *x = T::from_f64(if source.is_cut_out(at) {
                0.0
            } else if op.per_pixel {
                (source.level(at) - statistics[i].to_f64()) * statistics[image + i].to_f64()
            } else {
                let [mean, std] = [&op.gather.mean, &op.gather.std]
                    .map(|numbers| f64::from(numbers[i % channels % numbers.len()]));
                (source.level(at) / f64::from(WHITE_LEVEL) - mean) / std
            });
        }
    });
}

impl Source<'_> {
    fn is_cut_out(&self, [row, column, _]: [i64; 3]) -> bool {
        let side = i64::try_from(self.op.augment.cutout).expect("sizes fit 32 bits");
        let [top, left] = self.decision.cutout.map(i64::from);
        (top..top + side).contains(&row) && (left..left + side).contains(&column)
    }

    /// The augmented level of an element of the image.
    fn level(&self, at: [i64; 3]) -> f64 {
        let augment = &self.op.augment;
        let mut level = if augment.is_affine() { self.sampled(at) } else { 256 * self.pixel(at) };
        let white = i64::from(WHITE_LEVEL);
        if augment.brightness > 0.0 {
            level = rounded(level * i64::from(self.decision.brightness), 14).min(white);
        }
        if augment.contrast > 0.0 {
            let channels = usize::try_from(self.size[2]).unwrap_or(1);
            let channel = usize::try_from(at[2]).unwrap_or(0);
            let center = i64::from(self.op.centers(channels)[channel]);
            let far = (level - center) * i64::from(self.decision.contrast);
            level = (center + rounded(far, 14)).clamp(0, white);
        }
        let level = u32::try_from(level).expect("a level is not negative");
        f64::from(level)
    }

    /// The level between four pixels.
    fn sampled(&self, [row, column, channel]: [i64; 3]) -> i64 {
        let [height, width, _] = self.size;
        let (across, down) = (2 * column - (width - 1), 2 * row - (height - 1));
        let [x, y] = [0, 1].map(|i| {
            let [a, b] = self.decision.matrix[i].map(i64::from);
            // In pixels times 256.
            rounded(a * across + b * down + i64::from(self.decision.offset[i]), 7)
        });
        let (left, top) = (x.div_euclid(256), y.div_euclid(256));
        let mut sum = 0;
        for (row, weight_y) in [(top, 256 - (y - 256 * top)), (top + 1, y - 256 * top)] {
            for (column, weight_x) in [(left, 256 - (x - 256 * left)), (left + 1, x - 256 * left)] {
                sum += weight_y * weight_x * self.pixel([row, column, channel]);
            }
        }
        rounded(sum, 8)
    }

    /// A byte after crop and flip, or of what lies around the image.
    fn pixel(&self, [row, column, channel]: [i64; 3]) -> i64 {
        let [height, width, channels] = self.size;
        let [row, column] = [(row, height), (column, width)]
            .map(|(at, side)| filled(self.op.augment.fill, at, side));
        if !(0..height).contains(&row) || !(0..width).contains(&column) {
            return 0;
        }
        let column = if self.decision.flipped { width - 1 - column } else { column };
        let [mut row, mut column] =
            [row + i64::from(self.decision.crop[0]), column + i64::from(self.decision.crop[1])];
        if self.op.augment.crop_mode == PaddingMode::Reflect {
            let mirrored = |at: i64, side: i64| {
                let at = at.abs();
                if at >= side { 2 * (side - 1) - at } else { at }
            };
            (row, column) = (mirrored(row, height), mirrored(column, width));
        }
        if !(0..height).contains(&row) || !(0..width).contains(&column) {
            return 0;
        }
        let i = (row * width + column) * channels + channel;
        i64::from(self.bytes[usize::try_from(i).expect("it lies within the image")])
    }
}

/// The place within `0..side` that shows where `at` would lie, step by step; itself for black.
pub(super) fn filled(fill: FillMode, mut at: i64, side: i64) -> i64 {
    while !(0..side).contains(&at) {
        at = match (fill, at < 0) {
            (FillMode::Constant, _) => break,
            (FillMode::Nearest, true) => 0,
            (FillMode::Nearest, false) => side - 1,
            (FillMode::Wrap, true) => at + side,
            (FillMode::Wrap, false) => at - side,
            (FillMode::Reflect, true) => -1 - at,
            (FillMode::Reflect, false) => 2 * side - 1 - at,
        };
    }
    at
}

/// `value / 2^bits`, rounded to the nearest integer, halves upwards.
fn rounded(value: i64, bits: u32) -> i64 {
    (value + (1 << (bits - 1))) >> bits
}
