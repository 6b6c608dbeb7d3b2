//! Element-wise tails that kernels of matmul and convolution can apply to their results.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An activation function.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `x`
    #[default]
    Identity,
    /// `max(x, 0)`
    Relu,
    /// `min(max(x, 0), 6)` (Howard et al., 2017)
    Relu6,
    /// `x` where positive, else `0.01 x`, which is PyTorch's default; Keras has 0.2 or 0.3
    LeakyRelu,
    /// `0.5 x (1 + erf(x / sqrt 2))` (Hendrycks and Gimpel, 2016), as PyTorch and Keras have it by
    /// default
    Gelu,
    /// `0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`, the same source's approximation of it, which
    /// differs by up to 5e-4; `approximate="tanh"` in PyTorch, `approximate=True` in Keras
    GeluTanh,
    /// `1 / (1 + exp(-x))`
    Sigmoid,
    /// hyperbolic tangent
    Tanh,
    /// `x * sigmoid(x)`
    Silu,
}

impl Activation {
    /// Every activation function.
    pub const ALL: [Self; 9] = [
        Self::Identity,
        Self::Relu,
        Self::Relu6,
        Self::LeakyRelu,
        Self::Gelu,
        Self::GeluTanh,
        Self::Sigmoid,
        Self::Tanh,
        Self::Silu,
    ];

    /// Whether the derivative can be computed from the output alone. Then the input need not be
    /// kept for the backward pass, and the function can be fused into the op before it.
    pub const fn derivative_from_output(self) -> bool {
        !matches!(self, Self::Gelu | Self::GeluTanh | Self::Silu)
    }

    /// Whether the function never falls, so that the largest argument has the largest value.
    pub const fn is_monotonic(self) -> bool {
        !matches!(self, Self::Gelu | Self::GeluTanh | Self::Silu)
    }

    /// The function.
    pub fn apply(self, x: f64) -> f64 {
        match self {
            Self::Identity => x,
            Self::Relu => {
                // NaN must stay NaN, which f64::max would hide.
                if x < 0.0 { 0.0 } else { x }
            }
            Self::Relu6 => x.clamp(0.0, 6.0),
            Self::LeakyRelu => {
                if x < 0.0 {
                    0.01 * x
                } else {
                    x
                }
            }
            Self::Gelu => x * normal_distribution(x),
            Self::GeluTanh => 0.5 * x * (1.0 + (GELU_A * (x + GELU_B * x * x * x)).tanh()),
            Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Self::Tanh => x.tanh(),
            Self::Silu => x / (1.0 + (-x).exp()),
        }
    }

    /// The derivative at `x`, where `y` is the function's value there.
    pub fn derivative(self, x: f64, y: f64) -> f64 {
        match self {
            Self::Identity => 1.0,
            Self::Relu => f64::from(u8::from(y > 0.0)),
            Self::Relu6 => f64::from(u8::from(y > 0.0 && y < 6.0)),
            Self::LeakyRelu => {
                if y > 0.0 {
                    1.0
                } else {
                    0.01
                }
            }
            Self::Gelu => {
                let density = (-0.5 * x * x).exp() / (2.0 * PI).sqrt();
                normal_distribution(x) + x * density
            }
            Self::GeluTanh => {
                let t = (GELU_A * (x + GELU_B * x * x * x)).tanh();
                0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * GELU_A * (1.0 + 3.0 * GELU_B * x * x)
            }
            Self::Sigmoid => y * (1.0 - y),
            Self::Tanh => 1.0 - y * y,
            Self::Silu => {
                let s = 1.0 / (1.0 + (-x).exp());
                s * (1.0 + x * (1.0 - s))
            }
        }
    }
}

/// `0.5 (1 + erf(x / sqrt 2))`, by erfc: the sum would cancel.
fn normal_distribution(x: f64) -> f64 {
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
}

/// `sqrt(2 / pi)`.
const GELU_A: f64 = 0.797_884_560_802_865_4;
const GELU_B: f64 = 0.044_715;

/// A tail that can be fused into the op that makes its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Epilogue {
    /// Adds a vector over the last dimension; it becomes a further input of the fused op.
    Bias,
    /// Adds a tensor of the result's shape; it becomes a further input of the fused op.
    Residual,
    /// Applies a function to each element.
    Activation(Activation),
    /// Multiplies each element by the derivative of a function, whose value is a tensor of the
    /// result's shape: a further input of the fused op.
    Derivative(Activation),
}
