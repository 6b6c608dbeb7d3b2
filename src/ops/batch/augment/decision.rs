//! What is decided for one image of a batch, from random words that only the run's seed, the step
//! and the example determine.

use super::AugmentBatch;
use super::options::Flip;
use crate::tensor::rng::philox4x32;
use crate::tensor::turn::{ONE, sine_cosine};

/// Second word of the random generator's key: keeps augmentation apart from other users of a seed.
pub(super) const KEY_HIGH: u32 = 0x6175_676d;

/// The decisions for one image, all integers: they are the same on every device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decision {
    /// Where the window begins, beside the unpadded image: rows and columns.
    pub crop: [i32; 2],
    /// Whether the image is mirrored.
    pub flipped: bool,
    /// From twice the position of a pixel, counted from the center (columns before rows), to the
    /// position to sample in pixels times 2^15: matrix times 2^14.
    pub matrix: [[i32; 2]; 2],
    /// What is added to that: column and row.
    pub offset: [i32; 2],
    /// Factor times 2^14.
    pub brightness: i32,
    /// Factor times 2^14.
    pub contrast: i32,
    /// First row and column of the square that is cut out.
    pub cutout: [i32; 2],
}

impl Decision {
    /// Decides for the example with number `example`, in step `step`. Word `j` of draw `i` is word
    /// `j` of `philox4x32(counter = [example, step, i, 0], key = [seed, "augm"])`:
    ///
    /// | draw | word 0 | word 1 | word 2 | word 3 |
    /// |---|---|---|---|---|
    /// | 0 | crop row | crop column | flip (highest bit) | rotation |
    /// | 1 | shift of columns | shift of rows | zoom | shear |
    /// | 2 | cutout row | cutout column | brightness | contrast |
    ///
    /// Draw 3 of step 0 is the hash of the example for alternating flips.
    pub fn draw(op: &AugmentBatch, [height, width]: [usize; 2], example: u32, step: u32) -> Self {
        let (augment, ranges) = (&op.augment, op.augment.ranges([height, width]));
        let key = [op.seed, KEY_HIGH];
        let words = |step: u32, draw: u32| philox4x32([example, step, draw, 0], key);
        let [crop_row, crop_column, flip, rotation] = words(step, 0);
        let [shift_x, shift_y, zoom, shear] = words(step, 1);
        let [cut_row, cut_column, brightness, contrast] = words(step, 2);
        let padding = small(augment.crop_padding);
        let epoch = step / small(op.steps_per_pass).max(1);
        let flipped = match augment.flip {
            Flip::None => false,
            Flip::Random => flip >> 31 == 1,
            Flip::Alternating => (words(0, 3)[0] ^ epoch) & 1 == 1,
        };

        let [sine, cosine] = sine_cosine(around_zero(rotation, ranges.rotation));
        let [shear_sine, shear_cosine] = sine_cosine(around_zero(shear, ranges.shear));
        let tangent = shear_sine * ONE / shear_cosine;
        let zoom = ONE + around_zero(zoom, ranges.zoom);
        let matrix =
            [[cosine - times(sine, tangent), times(cosine, tangent) + sine], [-sine, cosine]];
        let center = |side: usize| signed(small(side - 1)) * ONE;
        let half = small(augment.cutout / 2);
        Self {
            crop: [crop_row, crop_column].map(|word| around_zero(word, padding)),
            flipped,
            matrix: matrix.map(|row| row.map(|entry| times(entry, zoom))),
            offset: [
                center(width) - around_zero(shift_x, ranges.shift[1]),
                center(height) - around_zero(shift_y, ranges.shift[0]),
            ],
            brightness: ONE + around_zero(brightness, ranges.brightness),
            contrast: ONE + around_zero(contrast, ranges.contrast),
            cutout: [
                signed(below(cut_row, small(height))) - signed(half),
                signed(below(cut_column, small(width))) - signed(half),
            ],
        }
    }
}

/// A uniform integer below `bound`.
fn below(word: u32, bound: u32) -> u32 {
    u32::try_from((u64::from(word) * u64::from(bound)) >> 32).unwrap_or(0)
}

/// A uniform integer from `-range` to `range`.
fn around_zero(word: u32, range: u32) -> i32 {
    signed(below(word, 2 * range + 1).wrapping_sub(range))
}

/// The product of two fixed-point numbers.
pub(super) fn times(a: i32, b: i32) -> i32 {
    (a * b + ONE / 2) >> 14
}

/// A size that `infer` has checked.
fn small(size: usize) -> u32 {
    u32::try_from(size).expect("infer has checked that sizes fit 32 bits")
}

fn signed(word: u32) -> i32 {
    i32::from_ne_bytes(word.to_ne_bytes())
}
