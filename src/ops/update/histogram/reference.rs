//! The specification of [`Histogram`]: sorted magnitudes and quotients in f64, which are exact enough
//! for every f32.

use super::{BEYOND, Column, Histogram};
use crate::graph::HostIo;
use crate::tensor::Real;

impl Histogram {
    pub(super) fn forward<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let (x, step) = (io.inputs.float(0), io.inputs.u32(2)[0]);
        if !self.counts_after(step) {
            return;
        }
        let rows = io.outputs.u32(0).chunks_mut(Self::columns(self.bins));
        for (row, &[first, elements]) in rows.zip(&self.ranges) {
            let values: Vec<f64> =
                x[first..first + elements].iter().map(|value| value.to_f64()).collect();
            self.count(&values, row);
        }
    }

    fn count(&self, values: &[f64], row: &mut [u32]) {
        row.fill(0);
        let (bins, extra) = row.split_at_mut(self.bins);
        let mut magnitudes: Vec<f64> =
            values.iter().map(|x| x.abs()).filter(|m| m.is_finite() && *m > 0.0).collect();
        magnitudes.sort_by(|a, b| b.total_cmp(a));
        let within = magnitudes.get(magnitudes.len() / BEYOND).copied().unwrap_or(0.0);
        let bound = bound_over(within);
        let per_side = f64::from(u32::try_from(self.bins / 2).unwrap_or(0));
        for &x in values {
            let column = if x.is_nan() {
                Column::Nan
            } else if x.is_infinite() {
                Column::Infinite
            } else if x == 0.0 {
                Column::Zeros
            } else if x.abs() >= bound {
                if x < 0.0 { Column::Below } else { Column::Above }
            } else {
                // The quotient of a number of 24 bits and one of three, times a power of two: where
                // it is no whole number, it is further from one than f64 rounds.
                let from_zero = (x.abs() / bound * per_side).floor();
                let place = if x < 0.0 { per_side - 1.0 - from_zero } else { per_side + from_zero };
                let bin =
                    (0..).zip(bins.iter_mut()).find(|&(i, _): &(u32, _)| f64::from(i) == place);
                if let Some((_, count)) = bin {
                    *count = count.wrapping_add(1);
                }
                continue;
            };
            extra[column.at()] = extra[column.at()].wrapping_add(1);
        }
        extra[Column::Bound.at()] = bits(bound);
        extra[Column::Largest.at()] = bits(magnitudes.first().copied().unwrap_or(0.0));
    }
}

/// The least bound over a magnitude; the largest one where there is none.
fn bound_over(magnitude: f64) -> f64 {
    let powers = (-126..=127).map(|exponent| f64::powi(2.0, exponent));
    let bounds = powers.flat_map(|power| [1.0, 1.25, 1.5, 1.75].map(|factor| factor * power));
    let largest = 1.75 * f64::powi(2.0, 127);
    bounds.into_iter().find(|&bound| bound > magnitude).unwrap_or(largest)
}

fn bits(value: f64) -> u32 {
    f32::from_f64(value).to_bits()
}
