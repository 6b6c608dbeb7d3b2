//! Fully connected layers.

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::bounds::{MOST_CHANNELS, Wrong, between, inits};
use super::{Layer, LayerDef};
use crate::error::ShapeError;
use crate::graph::{Activation, Value};
use crate::nn::{Init, ModelBuilder};
use crate::ops::Matmul;

/// Fully connected layer: `[n, features]` to `[n, units]`, `y = activation(x weight + bias)`, as PyTorch's
/// `Linear` and Keras' `Dense`. Parameters: `weight` `[features, units]`, `bias` `[units]`.
///
/// It takes flat features: put a [`Flatten`](super::Flatten) or
/// [`GlobalAvgPool2d`](super::GlobalAvgPool2d) in front.
///
/// ```
/// use verigrad::nn::{Dense, Layer};
///
/// let layer: Layer = Dense::new(128).relu().into();
/// assert_eq!(layer, toml::from_str("type = \"dense\"\nunits = 128\nactivation = \"relu\"")?);
/// # Ok::<(), toml::de::Error>(())
/// ```
///
/// ```toml
/// [[layers]]
/// type = "flatten"
///
/// [[layers]]
/// type = "dense"
/// units = 128
/// activation = "relu"
///
/// [[layers]]
/// type = "dense"             # one unit per class
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dense {
    /// Features of the output; where absent (0 in code), one per class of the data set.
    #[serde(default, skip_serializing_if = "is_classes", deserialize_with = "units")]
    #[schemars(range(min = 1, max = MOST_CHANNELS))]
    pub units: usize,
    /// Whether a bias is added; yes by default.
    #[serde(default = "super::yes")]
    pub bias: bool,
    /// Function applied to the result; none by default.
    #[serde(default)]
    pub activation: Activation,
    /// Initial weights; Glorot uniform by default, as in Keras.
    #[serde(default)]
    pub init: Init,
    /// Initial biases; zeros by default.
    #[serde(default = "Init::zeros", skip_serializing_if = "Init::is_zeros")]
    #[schemars(!skip_serializing_if)]
    pub bias_init: Init,
}

/// A number of units that is given.
fn units<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    match usize::deserialize(deserializer)? {
        0 => Err(D::Error::custom("must be at least 1, it is 0; leave it out for one per class")),
        units => Ok(units),
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_classes(units: &usize) -> bool {
    *units == 0
}

impl Dense {
    /// So many features, and the defaults of all else.
    pub fn new(units: usize) -> Self {
        Self {
            units,
            bias: true,
            activation: Activation::Identity,
            init: Init::default(),
            bias_init: Init::Zeros,
        }
    }

    /// As many features as the data set has classes.
    pub fn classes() -> Self {
        Self::new(0)
    }

    /// Without a bias, as in front of a normalization.
    #[must_use]
    pub fn no_bias(self) -> Self {
        Self { bias: false, ..self }
    }

    /// With a function applied to the result.
    #[must_use]
    pub fn activation(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }

    /// With [`Activation::Relu`].
    #[must_use]
    pub fn relu(self) -> Self {
        self.activation(Activation::Relu)
    }

    /// With other initial weights.
    #[must_use]
    pub fn init(self, init: Init) -> Self {
        Self { init, ..self }
    }

    /// With other initial biases.
    #[must_use]
    pub fn bias_init(self, bias_init: Init) -> Self {
        Self { bias_init, ..self }
    }
}

impl LayerDef for Dense {
    fn stem(&self) -> &'static str {
        "dense"
    }

    fn into_layer(self) -> Layer {
        Layer::Dense(self)
    }

    fn check(&self) -> Result<(), Wrong> {
        // Zero units stand for the number of classes; recipes cannot give it.
        between("units", self.units.max(1), MOST_CHANNELS)?;
        inits(self.init, self.bias_init)
    }

    fn add(&self, builder: &mut ModelBuilder<'_>, x: Value) -> Result<Value, ShapeError> {
        let what = "the input (put a flatten or global_avg_pool2d layer in front)";
        let [_, features] = builder.ty(x).ranked("dense", what)?;
        let fans = (features, self.units);
        let weight = builder.weight("weight", [features, self.units], self.init, fans);
        let y = builder.graph().push(Matmul::default(), &[x, weight])?;
        let bias = self.bias.then_some((self.bias_init, fans));
        builder.bias_and_activation(y, bias, self.units, self.activation)
    }
}
