//! Softmax of a row in f64, without overflow: what references compute.

use crate::tensor::Real;

/// A row of logits of which the largest has been found.
#[derive(Debug, Clone, Copy)]
pub(in crate::ops) struct StableRow {
    /// The largest logit.
    max: f64,
    /// Logarithm of the sum of `exp(x - max)`; accurate near zero.
    pub(in crate::ops) log_sum: f64,
}

impl StableRow {
    /// None when the row has no softmax: a NaN, a `+inf`, or nothing but `-inf`.
    pub(in crate::ops) fn new<T: Real>(row: &[T]) -> Option<Self> {
        if row.iter().any(|x| x.to_f64().is_nan()) {
            return None;
        }
        let max = row.iter().fold(f64::NEG_INFINITY, |max, x| max.max(x.to_f64()));
        if !max.is_finite() {
            return None;
        }
        let first = row.iter().position(|x| x.to_f64() >= max)?;
        let others = row.iter().enumerate().filter(|&(c, _)| c != first);
        let sum: f64 = others.map(|(_, x)| (x.to_f64() - max).exp()).sum();
        Some(Self { max, log_sum: sum.ln_1p() })
    }

    /// Distance of `x` to the largest logit, not negative.
    pub(in crate::ops) fn below<T: Real>(&self, x: T) -> f64 {
        self.max - x.to_f64()
    }
}
