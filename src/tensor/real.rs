//! The one type parameter of the reference code: f32 to run it, f64 to differentiate it.

use bytemuck::Pod;

/// A float that reference code reads and writes; sums are always kept in f64.
///
/// Reference code runs in f32 storage as the CPU executor, and in f64 storage when gradients are
/// checked against finite differences, whose step would drown in f32 rounding.
pub trait Real: Pod + Send + Sync + PartialOrd {
    /// Widens to f64, exactly.
    fn to_f64(self) -> f64;
    /// Rounds from f64 to the nearest value.
    fn from_f64(value: f64) -> Self;
}

impl Real for f32 {
    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is what this does")]
    fn from_f64(value: f64) -> Self {
        value as f32
    }
}

impl Real for f64 {
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }
    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        value
    }
}
