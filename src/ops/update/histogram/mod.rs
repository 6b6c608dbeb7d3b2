//! Histograms of the tensors of an arena, counted on the device: weights and gradients over time.
//!
//! Bins are equally wide and lie symmetrically about zero, up to a bound that follows from the
//! values: the least of 1, 1.25, 1.5 and 1.75 times powers of two beyond which there is at most one
//! in [`BEYOND`] of them. So a single outlier does not squeeze all others into the two bins in the
//! middle, as it would if the largest magnitude were the bound, and bins of weights are as one reads
//! them, which those of a logarithmic scale are not. What lies beyond is counted, and how far it
//! reaches is recorded.
//!
//! Kernels work on the bits of floats and count in integers, so that every device counts the same,
//! up to 2^32.

mod cases;
mod counts;
mod cpu;
mod gpu;
mod reference;

use serde::{Deserialize, Serialize};

use crate::error::ShapeError;
use crate::graph::{Caps, Case, Cost, Fill, HostIo, HostKernel, Lowering, OpDef, Signature};
use crate::ops::kit::{of_dtype, operands, scalar};
use crate::tensor::{DType, Real, TensorType, Tolerance};

pub use counts::HistogramCounts;

/// One in this many numbers may lie beyond the bound.
const BEYOND: usize = 1000;
/// Fewest bins: four on either side.
const MIN_BINS: usize = 8;
/// Most bins: they are counted in the memory of a workgroup.
const MAX_BINS: usize = 512;

/// Most ranges: the second dimension of a dispatch.
const MAX_RANGES: usize = 65_535;

/// One histogram per range of `x`, in the steps that a period ends with; in others `counts` stays.
///
/// Inputs: `x` f32 `[p]`, `counts` u32 `[ranges, bins + 7]`, `step` u32 `[1]`: the steps completed.
/// Output, in the place of `counts`: the rows that [`HistogramCounts::from_row`] reads, where
/// `(step + 1) % period == 0`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Histogram {
    /// First element of each range, and its number of elements.
    pub ranges: Vec<[usize; 2]>,
    /// Number of bins: a power of two from 8 to 512.
    pub bins: usize,
    /// Steps from one histogram to the next.
    pub period: u32,
}

/// What a row holds behind its bins.
#[derive(Debug, Clone, Copy)]
enum Column {
    /// Finite values below the first bin.
    Below,
    /// Finite values above the last one.
    Above,
    /// Zeros of both signs, which are in no bin.
    Zeros,
    /// Values that are no number.
    Nan,
    /// Infinities of both signs.
    Infinite,
    /// Bits of the bound: the upper edge of the last bin.
    Bound,
    /// Bits of the largest finite magnitude.
    Largest,
}

/// Words of a row behind its bins.
const EXTRA: usize = 7;

impl Column {
    /// Place behind the bins.
    const fn at(self) -> usize {
        match self {
            Self::Below => 0,
            Self::Above => 1,
            Self::Zeros => 2,
            Self::Nan => 3,
            Self::Infinite => 4,
            Self::Bound => 5,
            Self::Largest => 6,
        }
    }
}

impl Histogram {
    /// Columns of `counts` with a number of bins.
    pub const fn columns(bins: usize) -> usize {
        bins + EXTRA
    }

    /// Says what is wrong with a number of bins, if anything.
    ///
    /// # Errors
    /// When it is no power of two, too small or too large.
    pub fn check_bins(bins: usize) -> Result<(), String> {
        if bins.is_power_of_two() && (MIN_BINS..=MAX_BINS).contains(&bins) {
            Ok(())
        } else {
            Err(format!("must be a power of two from {MIN_BINS} to {MAX_BINS}, it is {bins}"))
        }
    }

    /// Whether the step after `step` steps is one whose values are counted.
    fn counts_after(&self, step: u32) -> bool {
        step.wrapping_add(1).is_multiple_of(self.period)
    }
}

impl OpDef for Histogram {
    const NAME: &'static str = "histogram";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let wrong = |message: String| ShapeError::new(Self::NAME, message);
        let [x, counts, step] = operands(Self::NAME, inputs)?;
        of_dtype(Self::NAME, ("x", x), DType::F32)?;
        of_dtype(Self::NAME, ("counts", counts), DType::U32)?;
        scalar(Self::NAME, ("step", step), DType::U32)?;
        let [p] = x.ranked(Self::NAME, "x")?;
        Self::check_bins(self.bins).map_err(|what| wrong(format!("bins {what}")))?;
        if self.period == 0 || !(1..=MAX_RANGES).contains(&self.ranges.len()) {
            let message = "needs a period of at least one step, and from 1 to 65,535 ranges";
            return Err(wrong(message.to_owned()));
        }
        for &[first, elements] in &self.ranges {
            let end = first.checked_add(elements);
            if elements == 0 || end.is_none_or(|end| end > p) || u32::try_from(p).is_err() {
                let range = format!("{elements} elements from {first} on");
                return Err(wrong(format!("a range of {range} is no part of x, which has {p}")));
            }
        }
        let dims = [self.ranges.len(), Self::columns(self.bins)];
        if counts.dims() != dims {
            return Err(wrong(format!("counts must be {dims:?}, it is {counts}")));
        }
        Ok(vec![counts.clone()])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        self.forward(io);
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        self.lowerings(sig, caps)
    }

    fn host_kernels(&self, _sig: &Signature) -> Vec<HostKernel> {
        vec![self.host_kernel()]
    }

    fn sample_inputs(&self, _inputs: &[TensorType]) -> Vec<Fill> {
        let last = self.period.wrapping_sub(1);
        vec![Fill::Normal, Fill::Labels(1000), Fill::Integers(vec![last])]
    }

    fn aliases(&self) -> &'static [(usize, usize)] {
        &[(0, 1)]
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        Tolerance::EXACT
    }

    fn cost(&self, sig: &Signature) -> Cost {
        // Values are read twice: for the bound, and for the bins.
        let read: usize = self.ranges.iter().map(|[_, elements]| 8 * elements).sum();
        Cost { flop: 0, bytes: (read + sig.outputs[0].bytes()) as u64 }
    }

    fn cases() -> Vec<Case> {
        cases::cases()
    }
}
