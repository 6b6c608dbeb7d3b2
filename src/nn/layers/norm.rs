//! Normalization over the batch, and over neighboring channels.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounds::{Wrong, within};
use super::{Layer, LayerDef};
use crate::error::ShapeError;
use crate::graph::{OpDef, Value};
use crate::nn::{Init, ModelBuilder};
use crate::ops::{self, BatchNormInference, NormTail};
use crate::tensor::TensorType;

/// Batch normalization over all dimensions but the last (Ioffe and Szegedy, 2015):
/// `y = (x - mean) / sqrt(variance + epsilon) * weight + bias`, of one shape with `x`.
///
/// In training, mean and variance are those of the batch; in evaluation, running ones. As in PyTorch,
/// running statistics have the variance that divides by one less than the number of rows; in Keras, by the
/// number. Parameters: `weight`, `bias` `[c]`; states: `running_mean`, `running_variance` `[c]`.
///
/// ```toml
/// [[layers]]
/// type = "batch_norm"
/// momentum = 0.01   # Keras' 0.99
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BatchNorm {
    /// Weight of the newest batch in the running statistics, in [0, 1]: PyTorch's `momentum` and
    /// its default of 0.1. Keras' is one minus this, 0.99 by default: 0.01 here.
    #[schemars(range(min = 0, max = 1))]
    pub momentum: f32,
    /// Added to the variance, above 0. The default is PyTorch's, 1e-5; Keras has 1e-3.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub epsilon: f32,
    /// Whether the scale starts at zero: at the end of a residual branch, the block then starts
    /// as its shortcut (Goyal et al., 2017). No by default.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(!skip_serializing_if)]
    pub zero_init: bool,
}

impl Default for BatchNorm {
    fn default() -> Self {
        Self { momentum: 0.1, epsilon: 1e-5, zero_init: false }
    }
}

impl LayerDef for BatchNorm {
    fn stem(&self) -> &'static str {
        "norm"
    }

    fn into_layer(self) -> Layer {
        Layer::BatchNorm(self)
    }

    fn check(&self) -> Result<(), Wrong> {
        let Self { momentum, epsilon, .. } = *self;
        within("momentum", (0.0..=1.0).contains(&momentum), "lie in [0, 1]", momentum)?;
        let positive = epsilon.is_finite() && epsilon >= f32::MIN_POSITIVE;
        let what = "be above 0 (1.2e-38 or more) and finite, or a channel of one value \
                    divides by zero";
        within("epsilon", positive, what, epsilon)
    }

    fn add(&self, builder: &mut ModelBuilder<'_>, x: Value) -> Result<Value, ShapeError> {
        let epsilon = self.epsilon;
        let scale = if self.zero_init { Init::Zeros } else { Init::Ones };
        let (rows, channels) = builder.ty(x).rows_columns();
        let gamma = builder.vector("weight", channels, scale, (1, 1));
        let beta = builder.vector("bias", channels, Init::Zeros, (1, 1));
        let running_mean = builder.state("running_mean", channels, 0.0);
        let running_variance = builder.state("running_variance", channels, 1.0);
        if !builder.is_training() || builder.is_frozen() {
            let inputs = [x, gamma, beta, running_mean, running_variance];
            let op = BatchNormInference { epsilon, tail: NormTail::default() };
            return builder.graph().push(op, &inputs);
        }
        let op = ops::BatchNorm { epsilon, tail: NormTail::default() };
        let [y, mean, variance] = builder.graph().push_multi(op, &[x, gamma, beta])?;
        // The running variance is the unbiased one.
        #[expect(clippy::cast_precision_loss, reason = "row counts only scale by n / (n - 1)")]
        let unbiased = rows as f32 / (rows.max(2) - 1) as f32;
        builder.note_state("running_mean", (self.momentum, 1.0), mean);
        builder.note_state("running_variance", (self.momentum, unbiased), variance);
        Ok(y)
    }
}

/// Whose numbers a local response normalization has: `y = x / (k + alpha' s)^beta`, where `s` is the
/// sum of the squares of `size` channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LrnForm {
    /// `alpha' = alpha / size`, and `k` is 1: `torch.nn.LocalResponseNorm`.
    #[default]
    Torch,
    /// `alpha' = alpha`, and `k` is 2: Krizhevsky, Sutskever and Hinton, 2012, with 5 channels,
    /// `alpha = 1e-4` and `beta = 0.75`.
    Paper,
}

impl LrnForm {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// AlexNet's normalization over neighboring channels: `y = x / (k + alpha' s)^beta`, of one shape with
/// `x`, as PyTorch's `LocalResponseNorm`.
///
/// ```toml
/// [[layers]]
/// type = "local_response_norm"
/// form = "paper"
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LocalResponseNorm {
    /// Whose `alpha` and `k` are meant; PyTorch's by default.
    #[serde(skip_serializing_if = "LrnForm::is_default")]
    #[schemars(!skip_serializing_if)]
    pub form: LrnForm,
    /// Channels in the window; 5 by default.
    #[schemars(range(min = 1))]
    pub size: usize,
    /// Factor of the squares of a window: of their sum or of their mean, as `form` says; 1e-4 by default.
    #[schemars(range(min = 0))]
    pub alpha: f32,
    /// Exponent; 0.75 by default.
    pub beta: f32,
    /// Added to the scaled squares; where absent, 1 in PyTorch's form and 2 in the paper's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub k: Option<f32>,
}

impl Default for LocalResponseNorm {
    fn default() -> Self {
        Self { form: LrnForm::default(), size: 5, alpha: 1e-4, beta: 0.75, k: None }
    }
}

impl LocalResponseNorm {
    /// The op's numbers.
    fn op(&self) -> ops::LocalResponseNorm {
        let Self { form, size, alpha, beta, k } = *self;
        #[expect(clippy::cast_precision_loss, reason = "the op refuses windows that are not small")]
        let (factor, default) = match form {
            LrnForm::Torch => (1.0, 1.0),
            LrnForm::Paper => (size as f32, 2.0),
        };
        // The op divides by the size.
        ops::LocalResponseNorm { size, alpha: factor * alpha, beta, k: k.unwrap_or(default) }
    }
}

impl LayerDef for LocalResponseNorm {
    fn stem(&self) -> &'static str {
        "lrn"
    }

    fn into_layer(self) -> Layer {
        Layer::LocalResponseNorm(self)
    }

    fn check(&self) -> Result<(), Wrong> {
        let pixel = TensorType::f32([1, 1, 1, 1]);
        let checked = self.op().infer(std::slice::from_ref(&pixel)).map(|_| ());
        checked.map_err(|error| {
            let key = if error.message.starts_with("size") { "size" } else { "alpha" };
            (key.to_owned(), error.message)
        })
    }

    fn add(&self, builder: &mut ModelBuilder<'_>, x: Value) -> Result<Value, ShapeError> {
        builder.push(self.op(), &[x])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both forms of the sum of five squares, by their names alone.
    #[test]
    fn response_norms_have_the_numbers_of_their_source() {
        for (form, alpha, k) in [("", 1e-4, 1.0), ("torch", 1e-4, 1.0), ("paper", 5e-4, 2.0)] {
            let mut text = "type = \"local_response_norm\"\n".to_owned();
            if !form.is_empty() {
                text += &format!("form = \"{form}\"\n");
            }
            let Layer::LocalResponseNorm(layer) = toml::from_str(&text).expect("a layer") else {
                panic!("it is a normalization")
            };
            let op = layer.op();
            assert_eq!((op.size, op.beta, op.k), (5, 0.75, k));
            assert!((op.alpha - alpha).abs() < 1e-10, "{text}: {}", op.alpha);
        }
    }
}
