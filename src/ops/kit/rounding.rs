//! Errors of rounding on which ops' tolerances rest.

/// Normal numbers beyond this do not occur in cases.
pub(in crate::ops) const LARGEST_COTANGENT: f64 = 5.0;

/// Error of `exp(x - max)` over a row and of the sum of `columns` such terms, in ulps.
///
/// `x - max` is rounded: half an ulp of an argument below 87 in magnitude is up to 32 ulps of its
/// exponential (beyond, it is zero). The exponential adds 2 ulps, and a sum of positive terms
/// three times the root of their number (see [`crate::tensor::Tolerance`]).
pub(in crate::ops) fn exponential_sum_ulps(columns: usize) -> f64 {
    const ROUNDED_ARGUMENT: f64 = 32.0;
    const EXP: f64 = 2.0;
    ROUNDED_ARGUMENT + EXP + sum_ulps(columns)
}

/// Relative error of a sum of `n` positive terms, in ulps: six standard deviations of rounding, of
/// half an ulp each.
pub(in crate::ops) fn sum_ulps(n: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a length, far below 2^53")]
    let n = n as f64;
    3.0 * n.sqrt()
}

/// An absolute error, in ulps of one, that covers the smallest normal f32: smaller results may be
/// flushed to zero.
pub(in crate::ops) const FLUSHED: f64 = 1e-30;
