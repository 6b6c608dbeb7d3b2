//! Pooling over height and width.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounds::{Wrong, pair};
use super::{Layer, LayerDef, Padding, Pair};
use crate::error::ShapeError;
use crate::graph::Value;
use crate::nn::ModelBuilder;
use crate::ops::{self, PoolGeometry};

/// Maximum over windows: `[n, h, w, c]` to `[n, h', w', c]`, as PyTorch's `MaxPool2d` and Keras'
/// `MaxPooling2D`. Padding never wins.
///
/// ```toml
/// [[layers]]
/// type = "max_pool2d"
/// window = 3
/// stride = 2
/// padding = 1
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MaxPool2d {
    /// Size of the window.
    #[schemars(schema_with = "super::window::extents")]
    pub window: Pair,
    /// Step of the window; the window's size where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::window::extents")]
    pub stride: Option<Pair>,
    /// Padding, which never wins; none by default.
    #[serde(default, skip_serializing_if = "Padding::is_valid")]
    #[schemars(!skip_serializing_if, extend("default" = "valid"))]
    pub padding: Padding,
    /// Whether a last window that reaches beyond the padded input counts, as PyTorch's
    /// `ceil_mode`; no by default.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(!skip_serializing_if)]
    pub ceil_mode: bool,
}

impl MaxPool2d {
    /// Windows of this size side by side.
    pub fn new(window: impl Into<Pair>) -> Self {
        let (window, padding) = (window.into(), Padding::Valid);
        Self { window, stride: None, padding, ceil_mode: false }
    }

    /// With another step of the window.
    #[must_use]
    pub fn stride(self, stride: impl Into<Pair>) -> Self {
        Self { stride: Some(stride.into()), ..self }
    }

    /// With padding.
    #[must_use]
    pub fn padding(self, padding: impl Into<Padding>) -> Self {
        Self { padding: padding.into(), ..self }
    }
}

impl LayerDef for MaxPool2d {
    fn stem(&self) -> &'static str {
        "pool"
    }

    fn into_layer(self) -> Layer {
        Layer::MaxPool2d(self)
    }

    fn check(&self) -> Result<(), Wrong> {
        check_window(self.window, self.stride)
    }

    fn add(&self, builder: &mut ModelBuilder<'_>, x: Value) -> Result<Value, ShapeError> {
        let geometry = geometry(builder, x, self.window, self.stride, self.padding)?;
        let geometry = PoolGeometry { ceil_mode: self.ceil_mode, ..geometry };
        let [y, _index] = builder.graph().push_multi(ops::MaxPool2d { geometry }, &[x])?;
        Ok(y)
    }
}

/// Mean over windows: `[n, h, w, c]` to `[n, h', w', c]`, as Keras' `AveragePooling2D`, and PyTorch's
/// `AvgPool2d` where `count_include_pad` says so.
///
/// ```toml
/// [[layers]]
/// type = "avg_pool2d"
/// window = [2, 2]
/// count_include_pad = false
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AvgPool2d {
    /// Size of the window.
    #[schemars(schema_with = "super::window::extents")]
    pub window: Pair,
    /// Step of the window; the window's size where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::window::extents")]
    pub stride: Option<Pair>,
    /// Zeros around the input; none by default.
    #[serde(default, skip_serializing_if = "Padding::is_valid")]
    #[schemars(!skip_serializing_if, extend("default" = "valid"))]
    pub padding: Padding,
    /// Whether the padding's zeros count in the mean: as PyTorch does unless told otherwise,
    /// and Keras and this layer never do.
    #[serde(default)]
    pub count_include_pad: bool,
    /// Whether a last window that reaches beyond the padded input counts, as PyTorch's
    /// `ceil_mode`; no by default.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(!skip_serializing_if)]
    pub ceil_mode: bool,
}

impl AvgPool2d {
    /// Windows of this size side by side.
    pub fn new(window: impl Into<Pair>) -> Self {
        Self {
            window: window.into(),
            stride: None,
            padding: Padding::Valid,
            count_include_pad: false,
            ceil_mode: false,
        }
    }

    /// With another step of the window.
    #[must_use]
    pub fn stride(self, stride: impl Into<Pair>) -> Self {
        Self { stride: Some(stride.into()), ..self }
    }

    /// With zeros around the input.
    #[must_use]
    pub fn padding(self, padding: impl Into<Padding>) -> Self {
        Self { padding: padding.into(), ..self }
    }
}

impl LayerDef for AvgPool2d {
    fn stem(&self) -> &'static str {
        "pool"
    }

    fn into_layer(self) -> Layer {
        Layer::AvgPool2d(self)
    }

    fn check(&self) -> Result<(), Wrong> {
        check_window(self.window, self.stride)
    }

    fn add(&self, builder: &mut ModelBuilder<'_>, x: Value) -> Result<Value, ShapeError> {
        let geometry = geometry(builder, x, self.window, self.stride, self.padding)?;
        let geometry = PoolGeometry { ceil_mode: self.ceil_mode, ..geometry };
        let count_include_pad = self.count_include_pad;
        builder.push(ops::AvgPool2d { geometry, count_include_pad }, &[x])
    }
}

/// Mean over height and width: `[n, h, w, c]` to `[n, c]`, as Keras' `GlobalAveragePooling2D`.
///
/// ```toml
/// [[layers]]
/// type = "global_avg_pool2d"
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GlobalAvgPool2d {}

impl LayerDef for GlobalAvgPool2d {
    fn stem(&self) -> &'static str {
        "pool"
    }

    fn into_layer(self) -> Layer {
        Layer::GlobalAvgPool2d(self)
    }

    fn add(&self, builder: &mut ModelBuilder<'_>, x: Value) -> Result<Value, ShapeError> {
        builder.push(ops::GlobalAvgPool2d {}, &[x])
    }
}

/// Mean over a given number of windows, whatever the size of the image: `[n, h, w, c]` to
/// `[n, output height, output width, c]`, as PyTorch's `AdaptiveAvgPool2d`.
///
/// ```toml
/// [[layers]]
/// type = "adaptive_avg_pool2d"
/// output = 6
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdaptiveAvgPool2d {
    /// Height and width of the output.
    #[schemars(schema_with = "super::window::extents")]
    pub output: Pair,
}

impl AdaptiveAvgPool2d {
    /// An output of this height and width.
    pub fn new(output: impl Into<Pair>) -> Self {
        Self { output: output.into() }
    }
}

impl LayerDef for AdaptiveAvgPool2d {
    fn stem(&self) -> &'static str {
        "pool"
    }

    fn into_layer(self) -> Layer {
        Layer::AdaptiveAvgPool2d(self)
    }

    fn check(&self) -> Result<(), Wrong> {
        pair("output", self.output)
    }

    fn add(&self, builder: &mut ModelBuilder<'_>, x: Value) -> Result<Value, ShapeError> {
        builder.push(ops::AdaptiveAvgPool2d { output: self.output.dims() }, &[x])
    }
}

fn check_window(window: Pair, stride: Option<Pair>) -> Result<(), Wrong> {
    pair("window", window)?;
    stride.map_or(Ok(()), |stride| pair("stride", stride))
}

fn geometry(
    builder: &ModelBuilder<'_>,
    x: Value,
    window: Pair,
    stride: Option<Pair>,
    padding: Padding,
) -> Result<PoolGeometry, ShapeError> {
    let [_, h, w, _] = builder.ty(x).ranked("pool", "the input")?;
    let stride = stride.unwrap_or(window).dims();
    let window = window.dims();
    let padding = padding.sides([h, w], window, stride, [1, 1]);
    Ok(PoolGeometry { window, stride, padding, ceil_mode: false })
}
