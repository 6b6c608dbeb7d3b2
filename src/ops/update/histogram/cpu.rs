//! Histograms on the CPU, by the bits of floats, one range after the other on each thread.

use super::{BEYOND, Column, Histogram};
use crate::graph::HostKernel;
use crate::tensor::parallel::for_each_chunk;

/// Bits of a magnitude behind its key: its exponent and the first two bits behind the point.
const KEY_SHIFT: u32 = 21;
/// Keys of finite magnitudes, and those of the others.
const KEYS: usize = 1024;
/// The lowest key of a magnitude whose first bit is implied.
const FIRST_NORMAL: u32 = 4;
/// The highest key of a finite magnitude.
const LAST_FINITE: u32 = 1019;
/// Bits of infinity.
const INFINITY: u32 = 0x7f80_0000;

impl Histogram {
    pub(super) fn host_kernel(&self) -> HostKernel {
        let op = self.clone();
        HostKernel::new("by_bits", move |io, _| {
            if !op.counts_after(io.inputs.u32(2)[0]) {
                return;
            }
            let x = io.inputs.float(0);
            let columns = Self::columns(op.bins);
            for_each_chunk(io.outputs.u32(0), columns, &|row, counts| {
                let [first, elements] = op.ranges[row];
                count_into(counts, &x[first..first + elements]);
            });
        })
    }
}

/// Fills the row of a histogram.
pub(super) fn count_into(row: &mut [u32], values: &[f32]) {
    row.fill(0);
    let (bins, extra) = row.split_at_mut(row.len().saturating_sub(super::EXTRA));
    let mut add = |column: Column| {
        let count: &mut u32 = &mut extra[column.at()];
        *count = count.wrapping_add(1);
    };
    let mut keys = [0_u32; KEYS];
    let mut largest = 0;
    for value in values {
        let magnitude = value.abs().to_bits();
        if magnitude > INFINITY {
            add(Column::Nan);
        } else if magnitude == INFINITY {
            add(Column::Infinite);
        } else if magnitude == 0 {
            add(Column::Zeros);
        } else {
            let key = &mut keys[(magnitude >> KEY_SHIFT) as usize];
            *key = key.wrapping_add(1);
            largest = largest.max(magnitude);
        }
    }
    let bound = bound_of(&keys);
    let per_side = bins.len() / 2;
    for value in values {
        let magnitude = value.abs().to_bits();
        let negative = value.is_sign_negative();
        if magnitude == 0 || magnitude >= INFINITY {
            continue;
        }
        if magnitude >= bound {
            add(if negative { Column::Below } else { Column::Above });
            continue;
        }
        let from_zero = bin_of(magnitude, bound, per_side.trailing_zeros());
        let bin = if negative { per_side - 1 - from_zero } else { per_side + from_zero };
        bins[bin] = bins[bin].wrapping_add(1);
    }
    extra[Column::Bound.at()] = bound;
    extra[Column::Largest.at()] = largest;
}

/// Bits of the bound, from the number of magnitudes of each key.
fn bound_of(keys: &[u32; KEYS]) -> u32 {
    let all: u64 = keys.iter().map(|&count| u64::from(count)).sum();
    let mut left = all / BEYOND as u64;
    let mut key = LAST_FINITE;
    loop {
        let count = u64::from(keys[key as usize]);
        if count > left || key < FIRST_NORMAL {
            break;
        }
        left -= count;
        key -= 1;
    }
    // The lower edge of the next key is the upper edge of this one.
    (key + 1).clamp(FIRST_NORMAL, LAST_FINITE) << KEY_SHIFT
}

/// `floor(magnitude / bound 2^log_bins)` for `magnitude < bound`, all in bits of floats.
///
/// With `magnitude = m 2^(e - 150)` and `bound = c 2^(b - 129)`, where `c` is 4, 5, 6 or 7, that is
/// `floor(m / 2^(21 - log_bins + b - e) / c)`.
fn bin_of(magnitude: u32, bound: u32, log_bins: u32) -> usize {
    let exponent = magnitude >> 23;
    let fraction = magnitude & 0x007f_ffff;
    let (m, e) = if exponent == 0 { (fraction, 1) } else { (fraction | 0x0080_0000, exponent) };
    let (c, b) = (4 + ((bound >> KEY_SHIFT) & 3), bound >> 23);
    let shift = KEY_SHIFT - log_bins + b - e;
    (m.checked_shr(shift).unwrap_or(0) / c) as usize
}
