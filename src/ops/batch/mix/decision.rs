//! What is decided for a batch that is mixed with itself.

use super::MixBatch;
use super::beta::quantiles;
use crate::tensor::rng::philox4x32;

/// Second word of the random generator's key: keeps mixing apart from other users of a seed.
pub(super) const KEY_HIGH: u32 = 0x6d69_7862;

/// Weights are multiples of this part of one.
pub(super) const WEIGHT_ONE: u32 = 1 << 16;

/// The decisions for one batch, all integers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decision {
    /// How many rows further the partner is.
    pub shift: usize,
    /// Weight of a row's own pixels outside of the box, times [`WEIGHT_ONE`].
    pub weight: u32,
    /// Rows and columns of the box that shows the partner: first and end of each.
    pub rows: [usize; 2],
    /// Columns.
    pub columns: [usize; 2],
    /// Weight of a row's own label, as a fraction.
    pub share: [u32; 2],
}

/// What mixup and cutmix draw from: quantiles of the weight, and of the box's sides as parts of the
/// image's, times [`WEIGHT_ONE`].
#[derive(Debug, Clone)]
pub(super) struct Tables {
    pub weights: Option<Vec<u32>>,
    pub sides: Option<Vec<u32>>,
}

impl Tables {
    pub fn new(op: &MixBatch) -> Self {
        let table = |alpha: f32, of: &dyn Fn(f64) -> f64| {
            (alpha > 0.0).then(|| {
                let quantiles = quantiles(f64::from(alpha));
                quantiles.into_iter().map(|x| fixed(of(x))).collect()
            })
        };
        // The image's part that is left has the same distribution as the part that is cut out.
        Self { weights: table(op.mixup, &|x| x), sides: table(op.cutmix, &f64::sqrt) }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in [0, 2^16]")]
fn fixed(value: f64) -> u32 {
    (value.clamp(0.0, 1.0) * f64::from(WEIGHT_ONE)).round() as u32
}

impl Decision {
    /// Decides for step `step` by the words of
    /// `philox4x32(counter = [step, 0, 0, 0], key = [seed, "mixb"])`: quantile, shift, row and column
    /// of the box's center. Where both mixup and cutmix are asked for, the highest bit of word 0 with
    /// `counter = [step, 1, 0, 0]` chooses cutmix.
    pub fn draw(
        op: &MixBatch,
        tables: &Tables,
        batch: usize,
        [height, width]: [usize; 2],
        step: u32,
    ) -> Self {
        let key = [op.seed, KEY_HIGH];
        let [quantile, shift, row, column] = philox4x32([step, 0, 0, 0], key);
        let choice = philox4x32([step, 1, 0, 0], key)[0] >> 31;
        let shift = if batch > 1 { 1 + below(shift, batch - 1) } else { 0 };
        let uncut = Self {
            shift,
            weight: WEIGHT_ONE,
            rows: [0; 2],
            columns: [0; 2],
            share: [WEIGHT_ONE, WEIGHT_ONE],
        };
        match (&tables.weights, &tables.sides) {
            (weights, Some(sides)) if weights.is_none() || choice == 1 => {
                let side = interpolated(sides, quantile) as usize;
                let range = |word: u32, length: usize| {
                    let center = below(word, length);
                    let half = (side * length) >> 17;
                    [center.saturating_sub(half), (center + half).min(length)]
                };
                let (rows, columns) = (range(row, height), range(column, width));
                let cut = (rows[1] - rows[0]) * (columns[1] - columns[0]);
                let count = |n: usize| u32::try_from(n).expect("infer has checked the size");
                let share = [count(height * width - cut), count(height * width)];
                Self { rows, columns, share, ..uncut }
            }
            (Some(weights), _) => {
                let weight = interpolated(weights, quantile);
                Self { weight, share: [weight, WEIGHT_ONE], ..uncut }
            }
            (None, _) => uncut,
        }
    }

    /// Whether a row's own label weighs at least as much as its partner's.
    pub fn own_dominates(&self) -> bool {
        2 * u64::from(self.share[0]) >= u64::from(self.share[1])
    }
}

/// The table's entry at a random position, between its points on a straight line.
fn interpolated(table: &[u32], word: u32) -> u32 {
    let at = (word >> 24) as usize;
    let part = (word >> 8) & 0xffff;
    table[at] + (((table[at + 1] - table[at]) * part) >> 16)
}

/// A uniform integer below `bound`.
fn below(word: u32, bound: usize) -> usize {
    usize::try_from((u64::from(word) * bound as u64) >> 32).unwrap_or(0)
}
