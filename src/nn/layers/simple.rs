//! Layers without parameters: shape, activation, dropout.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounds::{Wrong, within};
use super::{Layer, LayerDef};
use crate::error::ShapeError;
use crate::graph::{Activation, Value};
use crate::nn::ModelBuilder;
use crate::ops::View;

/// `[n, ...]` to `[n, features]`, the last dimension fastest: of an image, its channels. Keras has the same
/// order; PyTorch's images have their channels first.
///
/// ```toml
/// [[layers]]
/// type = "flatten"
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Flatten {}

impl LayerDef for Flatten {
    fn stem(&self) -> &'static str {
        "flatten"
    }

    fn into_layer(self) -> Layer {
        Layer::Flatten(self)
    }

    fn add(&self, builder: &mut ModelBuilder<'_>, x: Value) -> Result<Value, ShapeError> {
        let dims = builder.ty(x).dims();
        let n = dims.first().copied().unwrap_or(1);
        let features = dims.iter().skip(1).product::<usize>();
        builder.graph().push(View::reshape([n, features]), &[x])
    }
}

/// An activation function on its own; layers with weights take one, too.
///
/// ```toml
/// [[layers]]
/// type = "activation"
/// function = "gelu"
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActivationLayer {
    /// The function.
    pub function: Activation,
}

impl LayerDef for ActivationLayer {
    fn stem(&self) -> &'static str {
        "activation"
    }

    fn into_layer(self) -> Layer {
        Layer::Activation(self)
    }

    fn add(&self, builder: &mut ModelBuilder<'_>, x: Value) -> Result<Value, ShapeError> {
        builder.activation(x, self.function)
    }
}

/// Zeroes a random part of the elements during training, and scales the others by `1 / (1 - rate)`, so
/// that evaluation needs no factor (Srivastava et al., 2014; PyTorch and Keras do the same).
///
/// ```toml
/// [[layers]]
/// type = "dropout"
/// rate = 0.5
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dropout {
    /// Part that is zeroed, in [0, 1).
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub rate: f32,
}

impl Dropout {
    /// Zeroes this part of the elements, in [0, 1).
    pub fn new(rate: f32) -> Self {
        Self { rate }
    }
}

impl LayerDef for Dropout {
    fn stem(&self) -> &'static str {
        "dropout"
    }

    fn into_layer(self) -> Layer {
        Layer::Dropout(self)
    }

    fn check(&self) -> Result<(), Wrong> {
        within("rate", (0.0..1.0).contains(&self.rate), "lie in [0, 1)", self.rate)
    }

    fn add(&self, builder: &mut ModelBuilder<'_>, x: Value) -> Result<Value, ShapeError> {
        builder.dropout(x, self.rate)
    }
}
