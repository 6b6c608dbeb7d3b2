//! Batch normalization of any tensor whose last dimension is the channels, and its gradients.
//!
//! Source: Ioffe and Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing
//! Internal Covariate Shift", 2015.

mod channels;
mod cpu;
mod forward;
mod gradient;
mod inference;
mod inference_gradient;
mod max_pool;
mod product;
mod tail;

pub use product::{NormalizedProduct, ProductStatistics};
pub use tail::NormTail;

use serde::{Deserialize, Serialize};

use crate::graph::Activation;
use crate::ops::pool::PoolGeometry;

/// `y[r, c] = (x[r, c] - mean[c]) / sqrt(variance[c] + epsilon) gamma[c] + beta[c]`, with the mean
/// and the biased variance of each channel of `x`; then the tail.
///
/// Inputs: `x` of two or more dimensions, the last of which is the channels; `gamma` and `beta`
/// `[c]`; a residual of the shape of `x` where the tail has one. Outputs: `y` of the shape of `x`, `mean` and `variance` `[c]`. The loss may depend on
/// `y` only. Source: Ioffe and Szegedy, 2015, algorithm 1.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchNorm {
    /// Added to the variance.
    pub epsilon: f32,
    /// What follows.
    #[serde(default)]
    pub tail: NormTail,
}

/// With `s = 1 / sqrt(variance + epsilon)` and `z = (x - mean) s`, for `n` values per channel:
/// `dbeta = sum dy`, `dgamma = sum dy z`, `dx = gamma s (dy - dbeta / n - z dgamma / n)`.
///
/// Inputs: `x`, `gamma` `[c]`, `mean` and `variance` `[c]` of `x`, `dy` of the shape of `x`.
/// Outputs: `dx` of the shape of `x`, `dgamma` and `dbeta` `[c]`. Source: Ioffe and Szegedy, 2015,
/// section 3.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchNormGrad {
    /// As in [`super::BatchNorm`].
    pub epsilon: f32,
}

/// `y[r, c] = (x[r, c] - mean[c]) / sqrt(variance[c] + epsilon) gamma[c] + beta[c]`; then the
/// tail.
///
/// Inputs: `x` of two or more dimensions, the last of which is the channels; `gamma`, `beta`,
/// `mean` and `variance` `[c]`; a residual of the shape of `x` where the tail has one. Output: the
/// shape of `x`. `mean` and `variance` are constants to the gradient rule.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchNormInference {
    /// Added to the variance.
    pub epsilon: f32,
    /// What follows.
    #[serde(default)]
    pub tail: NormTail,
}

/// With `s = 1 / sqrt(variance + epsilon)`: `dx = gamma s dy`, `dgamma = sum dy (x - mean) s` and
/// `dbeta = sum dy`, the statistics being constants.
///
/// Inputs: `x`, `gamma`, `mean` and `variance` `[c]`, `dy` of the shape of `x`. Outputs: `dx` of
/// the shape of `x`, `dgamma` and `dbeta` `[c]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchNormInferenceGrad {
    /// As in [`super::BatchNormInference`].
    pub epsilon: f32,
}

/// [`crate::ops::MaxPool2d`] of what [`BatchNormInference`] gives, whose result is never written.
///
/// The normalization and the function never fall where they do not rise: the largest value of a
/// window comes from its largest `x`, or its smallest one where `gamma[c]` is negative. So `index`
/// is that of the first maximum of `x sign(gamma[c])`, and depends on no rounding: where the function
/// gives the same value for several `x` (ReLU below zero), it may be another one than that of the two
/// ops one by one, and the derivative there is zero. The first NaN of a window wins.
///
/// Inputs: `x` `[n, h, w, c]`; `gamma`, `beta`, `mean` and `variance` `[c]`. Outputs: `y`
/// `[n, oh, ow, c]`, and `index` u32 of the same shape. `compile` makes it of the two ops; it has no
/// gradient.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchNormMaxPool2d {
    /// Added to the variance.
    pub epsilon: f32,
    /// Function of what is normalized: one that never falls.
    pub activation: Activation,
    /// Windows.
    pub geometry: PoolGeometry,
}
