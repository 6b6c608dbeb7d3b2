//! A histogram as people and files take it.

use serde::{Deserialize, Serialize};

use super::cpu::count_into;
use super::{Column, Histogram};

/// How often values of a tensor lie where. Bins are equally wide, from `-bound` to `bound`; a value
/// on an edge counts for the bin that is further from zero.
///
/// ```
/// use verigrad::ops::HistogramCounts;
/// let counts = HistogramCounts::of(&[-0.3, 0.1, 0.1, 0.0, 0.9, f32::NAN], 8);
/// assert_eq!((counts.bound, counts.largest, counts.zeros, counts.nan), (1.0, 0.9, 1, 1));
/// assert_eq!(counts.bins, [0, 0, 1, 0, 2, 0, 0, 1]);
/// assert_eq!(counts.values(), 6);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistogramCounts {
    /// Upper edge of the last bin, and the negative of the lower edge of the first one.
    pub bound: f32,
    /// The largest finite magnitude.
    pub largest: f32,
    /// Values of each bin, from the lowest to the highest; zeros are in none.
    pub bins: Vec<u32>,
    /// Finite values below the first bin.
    pub below: u32,
    /// Finite values above the last bin.
    pub above: u32,
    /// Zeros of both signs.
    pub zeros: u32,
    /// Values that are no number.
    pub nan: u32,
    /// Infinities of both signs.
    pub infinite: u32,
}

impl HistogramCounts {
    /// Reads a row that [`Histogram`] wrote.
    pub fn from_row(row: &[u32]) -> Self {
        let (bins, extra) = row.split_at(row.len().saturating_sub(super::EXTRA));
        let of = |column: Column| extra.get(column.at()).copied().unwrap_or(0);
        Self {
            bound: f32::from_bits(of(Column::Bound)),
            largest: f32::from_bits(of(Column::Largest)),
            bins: bins.to_vec(),
            below: of(Column::Below),
            above: of(Column::Above),
            zeros: of(Column::Zeros),
            nan: of(Column::Nan),
            infinite: of(Column::Infinite),
        }
    }

    /// Counts values on the CPU; `bins` is a power of two from 8 to 512.
    pub fn of(values: &[f32], bins: usize) -> Self {
        let mut row = vec![0; Histogram::columns(bins)];
        count_into(&mut row, values);
        Self::from_row(&row)
    }

    /// Number of values.
    pub fn values(&self) -> u64 {
        let others = [self.below, self.above, self.zeros, self.nan, self.infinite];
        self.bins.iter().chain(&others).map(|&count| u64::from(count)).sum()
    }
}
