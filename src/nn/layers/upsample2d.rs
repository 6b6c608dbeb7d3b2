//! Larger images without weights.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounds::{Wrong, pair};
use super::{Layer, LayerDef, Pair};
use crate::error::ShapeError;
use crate::graph::Value;
use crate::nn::ModelBuilder;
use crate::ops::{Conv2dInputGrad, ConvGeometry, Full, ResizeBilinear};

/// Larger images: `[n, h, w, c]` to `[n, h factor, w factor, c]`, as PyTorch's `Upsample` and Keras'
/// `UpSampling2D`, whose `interpolation` is the `method`.
///
/// ```
/// use verigrad::nn::Upsample2d;
/// use verigrad::model::Model;
///
/// let model = Model::new([7, 7, 16]).add(Upsample2d::new(2).bilinear());
/// assert_eq!(model.summary()?[0].output.to_string(), "[14, 14, 16]");
/// # Ok::<(), verigrad::model::ModelError>(())
/// ```
///
/// ```toml
/// [[layers]]
/// type = "upsample2d"
/// factor = 2
/// method = "bilinear"
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Upsample2d {
    /// How many times as high and as wide images become.
    #[schemars(schema_with = "super::window::extents")]
    pub factor: Pair,
    /// What new pixels are made of; their nearest by default.
    #[serde(default, skip_serializing_if = "UpsampleMethod::is_nearest")]
    #[schemars(!skip_serializing_if)]
    pub method: UpsampleMethod,
}

/// What the pixels of a larger image are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UpsampleMethod {
    /// The nearest pixel, so that each is repeated.
    #[default]
    Nearest,
    /// Up to four pixels around them, linearly between their centers: PyTorch's `mode="bilinear"` with
    /// `align_corners=False`.
    Bilinear,
}

impl UpsampleMethod {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    fn is_nearest(&self) -> bool {
        *self == Self::Nearest
    }
}

impl Upsample2d {
    /// Repeats each pixel so often, down and across.
    pub fn new(factor: impl Into<Pair>) -> Self {
        Self { factor: factor.into(), method: UpsampleMethod::Nearest }
    }

    /// Linearly between the centers of pixels, in place of repeating them.
    #[must_use]
    pub fn bilinear(self) -> Self {
        Self { method: UpsampleMethod::Bilinear, ..self }
    }
}

impl LayerDef for Upsample2d {
    fn stem(&self) -> &'static str {
        "upsample"
    }

    fn check(&self) -> Result<(), Wrong> {
        pair("factor", self.factor)
    }

    fn add(&self, builder: &mut ModelBuilder<'_>, x: Value) -> Result<Value, ShapeError> {
        let factor = self.factor.dims();
        if self.method == UpsampleMethod::Bilinear {
            return builder.push(ResizeBilinear { factor }, &[x]);
        }
        // What a pixel of a sum over windows side by side goes back to: a transposed convolution of each
        // channel with ones.
        let [_, h, w, channels] = builder.ty(x).ranked("upsample2d", "the input")?;
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
