//! Larger images without weights.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounds::{Wrong, pair};
use super::{Layer, LayerDef, Pair};
use crate::error::ShapeError;
use crate::graph::Value;
use crate::nn::ModelBuilder;
use crate::ops::{Conv2dInputGrad, ConvGeometry, Full};

/// Repeats each pixel: `[n, h, w, c]` to `[n, h factor, w factor, c]`, as PyTorch's
/// `Upsample(mode="nearest")` and Keras' `UpSampling2D`.
///
/// ```toml
/// [[layers]]
/// type = "upsample2d"
/// factor = 2
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Upsample2d {
    /// How often a pixel comes below and beside itself.
    #[schemars(schema_with = "super::window::extents")]
    pub factor: Pair,
}

impl Upsample2d {
    /// Repeats each pixel so often, down and across.
    pub fn new(factor: impl Into<Pair>) -> Self {
        Self { factor: factor.into() }
    }
}

impl LayerDef for Upsample2d {
    fn stem(&self) -> &'static str {
        "upsample"
    }

    fn check(&self) -> Result<(), Wrong> {
        pair("factor", self.factor)
    }

    /// What a pixel of a sum over windows side by side goes back to: a transposed convolution of each
    /// channel with ones.
    fn add(&self, builder: &mut ModelBuilder<'_>, x: Value) -> Result<Value, ShapeError> {
        let [_, h, w, channels] = builder.ty(x).ranked("upsample2d", "the input")?;
        let factor = self.factor.dims();
        let output = [h.saturating_mul(factor[0]), w.saturating_mul(factor[1])];
        let shape = [factor[0], factor[1], 1, channels].into();
        let ones = builder.graph().push(Full { value: 1.0, shape }, &[])?;
        let (stride, padding, dilation) = (factor, [0; 4], [1, 1]);
        let geometry = ConvGeometry { stride, padding, dilation, groups: channels };
        builder.push(Conv2dInputGrad::new(geometry, output), &[x, ones])
    }

    fn into_layer(self) -> Layer {
        Layer::Upsample2d(self)
    }
}
