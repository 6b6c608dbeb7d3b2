//! Layers that hold layers: residuals, and branches side by side.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounds::{Wrong, below};
use super::{Layer, LayerDef};
use crate::error::ShapeError;
use crate::graph::{Activation, Value};
use crate::nn::ModelBuilder;
use crate::ops::{self, Binary};

/// `activation(layers(x) + shortcut(x))` (He et al., 2016).
///
/// ```
/// use verigrad::nn::{BatchNorm, Conv2d, Residual, layers};
///
/// let block = Residual::new(layers![Conv2d::new(64, 3).same().no_bias(), BatchNorm::default()]).relu();
/// assert_eq!(block.layers.len(), 2);
/// ```
///
/// ```toml
/// [[layers]]
/// type = "residual"
/// activation = "relu"
/// layers = [
///   { type = "conv2d", out_channels = 16, kernel_size = 3, padding = "same", bias = false },
///   { type = "batch_norm" },
/// ]
/// shortcut = [{ type = "conv2d", out_channels = 16, kernel_size = 1 }]
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Residual {
    /// The main branch.
    pub layers: Vec<Layer>,
    /// The other branch; `x` itself where empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shortcut: Vec<Layer>,
    /// Function applied to the sum; none by default.
    #[serde(default)]
    pub activation: Activation,
}

impl Residual {
    /// Adds what `layers` make of `x` to `x`.
    pub fn new(layers: Vec<Layer>) -> Self {
        Self { layers, shortcut: Vec::new(), activation: Activation::Identity }
    }

    /// With layers in the other branch, as where the main one changes the shape.
    #[must_use]
    pub fn shortcut(self, shortcut: Vec<Layer>) -> Self {
        Self { shortcut, ..self }
    }

    /// With a function applied to the sum.
    #[must_use]
    pub fn activation(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }

    /// With [`Activation::Relu`].
    #[must_use]
    pub fn relu(self) -> Self {
        self.activation(Activation::Relu)
    }
}

impl LayerDef for Residual {
    fn stem(&self) -> &'static str {
        "residual"
    }

    fn into_layer(self) -> Layer {
        Layer::Residual(self)
    }

    fn check(&self) -> Result<(), Wrong> {
        below("layers", Layer::check_all(&self.layers))?;
        below("shortcut", Layer::check_all(&self.shortcut))
    }

    fn add(&self, builder: &mut ModelBuilder<'_>, x: Value) -> Result<Value, ShapeError> {
        let main = builder.inside("", &self.layers, x)?;
        let other = builder.inside("shortcut", &self.shortcut, x)?;
        let sum = builder.push(Binary::ADD, &[main, other])?;
        builder.activation(sum, self.activation)
    }
}

/// Branches side by side, joined along the last dimension: `[n, h, w, c1]` and `[n, h, w, c2]` to
/// `[n, h, w, c1 + c2]`.
///
/// ```toml
/// [[layers]]
/// type = "concat"
/// branches = [
///   [],                      # the input itself
///   [{ type = "conv2d", out_channels = 8, kernel_size = 3, padding = "same" }],
/// ]
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Concat {
    /// The branches; an empty one passes its input on.
    pub branches: Vec<Vec<Layer>>,
}

impl Concat {
    /// These branches; an empty one passes its input on.
    pub fn new(branches: Vec<Vec<Layer>>) -> Self {
        Self { branches }
    }
}

impl LayerDef for Concat {
    fn stem(&self) -> &'static str {
        "concat"
    }

    fn into_layer(self) -> Layer {
        Layer::Concat(self)
    }

    fn check(&self) -> Result<(), Wrong> {
        self.branches
            .iter()
            .enumerate()
            .try_for_each(|(i, branch)| below(&format!("branches.{i}"), Layer::check_all(branch)))
    }

    fn add(&self, builder: &mut ModelBuilder<'_>, x: Value) -> Result<Value, ShapeError> {
        let branches = self.branches.iter().enumerate();
        let outputs = branches
            .map(|(i, branch)| builder.inside(&format!("branch{}", i + 1), branch, x))
            .collect::<Result<Vec<_>, _>>()?;
        let rank = outputs.first().map_or(0, |&y| builder.ty(y).shape.rank());
        builder.push(ops::Concat { axis: rank.saturating_sub(1) }, &outputs)
    }
}
