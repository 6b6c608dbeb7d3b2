//! Comparison of a result with its reference, under a tolerance derived from the arithmetic.

use std::fmt;

use super::parallel::{BLOCK, map_indices};
use super::shape::DType;

/// Unit roundoff of f32.
const UNIT_ROUNDOFF: f64 = 5.960_464_477_539_063e-8;

/// Unit roundoff of f16, 2^-11.
const F16_ROUNDOFF: f64 = 4.882_812_5e-4;
/// Smallest normal f16, 2^-14.
const F16_MIN_POSITIVE: f64 = 6.103_515_625e-5;

/// How far a result may lie from its reference.
///
/// The error of a sum of `n` rounded products grows like `sqrt(n)` units of roundoff with
/// overwhelming probability (Higham and Mary, "A New Approach to Probabilistic Rounding Error
/// Analysis", 2019), scaled by the magnitude of the terms; functions such as `exp` add the ulps
/// that their implementation is allowed. Nothing here is tuned by eye.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// Number of terms that are summed into one output element.
    pub reduction_len: usize,
    /// Further error in units in the last place: one or two per rounded operation, more for
    /// transcendental functions.
    pub ulps: f64,
    /// Error in ulps of 1.0 (2^-23) that does not shrink with the result: for functions whose
    /// argument is rounded before it cancels, such as `log` near one.
    pub absolute_ulps: f64,
    /// Whether the result is stored in 16 bits.
    pub stored_as_f16: bool,
}

impl Tolerance {
    /// Exact agreement, bit for bit.
    pub const EXACT: Self =
        Self { reduction_len: 0, ulps: 0.0, absolute_ulps: 0.0, stored_as_f16: false };

    /// The tolerance of a sum of `n` products.
    pub const fn sum_of(n: usize) -> Self {
        Self { reduction_len: n, ulps: 4.0, ..Self::EXACT }
    }

    /// The tolerance of a few rounded operations without a sum.
    pub const fn ulps(ulps: f64) -> Self {
        Self { reduction_len: 1, ulps, ..Self::EXACT }
    }

    /// Adds ulps to this tolerance.
    #[must_use]
    pub const fn plus_ulps(mut self, ulps: f64) -> Self {
        self.ulps += ulps;
        self
    }

    /// Adds an absolute error, in ulps of 1.0 (2^-23).
    #[must_use]
    pub const fn plus_absolute_ulps(mut self, ulps: f64) -> Self {
        self.absolute_ulps += ulps;
        self
    }

    /// The tolerance of a result that is stored as `dtype`. A result that must agree exactly still
    /// must: it is one of the operands, which are stored alike. Integers must agree exactly.
    #[must_use]
    pub fn stored_as(mut self, dtype: DType) -> Self {
        if !dtype.is_float() {
            return Self::EXACT;
        }
        self.stored_as_f16 = dtype == DType::F16 && self != Self::EXACT;
        self
    }

    /// The allowed absolute error of an element with reference value `expected`, in a tensor whose
    /// terms have the magnitude `scale`.
    pub fn allowed(&self, expected: f64, scale: f64) -> f64 {
        // Lambda = 6 makes the bound fail with a probability below 1e-7 per element.
        const LAMBDA: f64 = 6.0;
        #[expect(clippy::cast_precision_loss, reason = "a length, far below 2^53")]
        let n = self.reduction_len as f64;
        let summing = if self.reduction_len > 1 { LAMBDA * n.sqrt() * scale } else { 0.0 };
        let relative = summing + 2.0 * self.ulps * expected.abs() + 2.0 * self.absolute_ulps;
        // WGSL lets a device flush subnormal numbers to zero.
        let subnormal = if *self == Self::EXACT { 0.0 } else { f64::from(f32::MIN_POSITIVE) };
        let computed = UNIT_ROUNDOFF * relative + subnormal;
        if !self.stored_as_f16 {
            return computed;
        }
        // The reference is rounded to the nearest f16, by half a unit in the last place; WGSL lets
        // a device take either neighbor, a whole one away, or flush what is subnormal.
        computed + 3.0 * F16_ROUNDOFF * (expected.abs() + computed) + F16_MIN_POSITIVE
    }

    /// Whether `got` agrees with the reference value `expected`. A non-finite one demands a
    /// non-finite result; see [`compare`].
    pub fn allows(&self, expected: f64, got: f64, scale: f64) -> bool {
        if expected.is_nan() {
            got.is_nan()
        } else if expected.is_infinite() {
            !got.is_finite()
        } else {
            (expected - got).abs() <= self.allowed(expected, scale)
        }
    }
}

/// The first element that disagrees with the reference.
#[derive(Debug, Clone, PartialEq)]
pub struct Mismatch {
    /// Index in the flat tensor.
    pub index: usize,
    /// Reference value.
    pub expected: f64,
    /// Value found.
    pub got: f64,
    /// Absolute error that was allowed.
    pub allowed: f64,
    /// Number of elements that disagree.
    pub count: usize,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "element {} is {:e}, the reference says {:e} (allowed error {:.2e}; {} elements differ)",
            self.index, self.got, self.expected, self.allowed, self.count
        )
    }
}

/// Compares `got` with `expected`, element by element.
///
/// Where the reference is NaN, the result must be; where it is infinite, the result must not be
/// finite, but may be NaN: variants of products split an infinity into parts, or multiply it by
/// zero, and WGSL lets an implementation assume that none occurs. A number demands a number.
///
/// # Errors
/// The first [`Mismatch`].
pub fn compare(expected: &[f64], got: &[f64], tolerance: Tolerance) -> Result<(), Mismatch> {
    compare_scaled(expected, got, tolerance, 0.0)
}

/// Compares like [`compare`], for sums whose terms are known to reach the magnitude `scale`: where
/// they cancel, the results alone do not tell how large the terms were.
///
/// # Errors
/// The first [`Mismatch`].
pub fn compare_scaled(
    expected: &[f64],
    got: &[f64],
    tolerance: Tolerance,
    scale: f64,
) -> Result<(), Mismatch> {
    let largest = |values: &[f64]| {
        let finite = values.iter().filter(|v| v.is_finite());
        finite.fold(0.0_f64, |most, v| most.max(v.abs()))
    };
    let blocks = expected.len().min(got.len()).div_ceil(BLOCK);
    let block = |values: &'_ [f64], b: usize| b * BLOCK..values.len().min((b + 1) * BLOCK);
    let of_blocks = map_indices(blocks, &|b| largest(&expected[block(expected, b)]));
    let scale = of_blocks.into_iter().fold(scale, f64::max);
    let mismatches = map_indices(blocks, &|b| {
        let pairs = expected[block(expected, b)].iter().zip(&got[block(got, b)]);
        compare_block(b * BLOCK, pairs, tolerance, scale)
    });
    let mut found = mismatches.into_iter().flatten();
    let Some(first) = found.next() else { return Ok(()) };
    let count = first.count + found.map(|mismatch| mismatch.count).sum::<usize>();
    Err(Mismatch { count, ..first })
}

/// The first mismatch among elements from `start` on, with the number of them.
fn compare_block<'a>(
    start: usize,
    pairs: impl Iterator<Item = (&'a f64, &'a f64)>,
    tolerance: Tolerance,
    scale: f64,
) -> Option<Mismatch> {
    let mut first: Option<Mismatch> = None;
    for (index, (&expected, &got)) in (start..).zip(pairs) {
        if !tolerance.allows(expected, got, scale) {
            let allowed = tolerance.allowed(expected, scale);
            let found = first.get_or_insert(Mismatch { index, expected, got, allowed, count: 0 });
            found.count += 1;
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_never_agrees_with_a_number() {
        assert!(compare(&[1.0], &[f64::NAN], Tolerance::ulps(1e9)).is_err());
        assert!(compare(&[f64::NAN], &[1.0], Tolerance::ulps(1e9)).is_err());
        assert!(compare(&[f64::NAN], &[f64::INFINITY], Tolerance::ulps(1e9)).is_err());
        assert!(compare(&[f64::NAN], &[-f64::NAN], Tolerance::EXACT).is_ok());
        assert!(compare(&[f64::INFINITY], &[f64::NAN], Tolerance::EXACT).is_ok());
        assert!(compare(&[f64::INFINITY], &[f64::from(f32::MAX)], Tolerance::ulps(1e9)).is_err());
        assert!(compare(&[1.0], &[f64::INFINITY], Tolerance::ulps(1e9)).is_err());
    }

    #[test]
    fn exact_means_exact() {
        assert!(compare(&[0.1], &[0.1], Tolerance::EXACT).is_ok());
        assert!(compare(&[1.0], &[1.0 + 1e-9], Tolerance::EXACT).is_err());
    }

    #[test]
    fn the_first_of_several_mismatches_is_named() {
        let m = compare(&[1.0, 2.0, 3.0], &[1.0, 2.5, 3.5], Tolerance::sum_of(4))
            .expect_err("two elements differ");
        assert_eq!((m.index, m.count), (1, 2));
    }
}
