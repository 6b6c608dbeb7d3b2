//! Convolution over images.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounds::{MOST_CHANNELS, Wrong, between, inits, pair};
use super::{Layer, LayerDef, Padding, Pair};
use crate::error::ShapeError;
use crate::graph::{Activation, Value};
use crate::nn::{Init, ModelBuilder};
use crate::ops::{self, ConvGeometry};

/// Convolution: `[n, h, w, c]` to `[n, h', w', out_channels]`, as PyTorch's `Conv2d` and Keras' `Conv2D`.
///
/// `y[n, i, j, o] = bias[o] + sum_{a, b, c} x[n, i s + a d - p, j s + b d - p, c] weight[a, b, c, o]` with
/// stride `s`, dilation `d` and padding `p`; `h' = floor((h + top + bottom - d (k - 1) - 1) / s) + 1`.
/// Parameters: `weight` `[kernel height, kernel width, c / groups, out_channels]`, `bias` `[out_channels]`.
///
/// ```
/// use verigrad::nn::{Conv2d, Layer};
///
/// let layer: Layer = Conv2d::new(32, 3).same().relu().into();
/// let text = "type = \"conv2d\"\nout_channels = 32\nkernel_size = 3\npadding = \"same\"\nactivation = \"relu\"";
/// assert_eq!(layer, toml::from_str(text)?);
/// # Ok::<(), toml::de::Error>(())
/// ```
///
/// ```toml
/// [[layers]]
/// type = "conv2d"
/// out_channels = 32
/// kernel_size = [3, 5]   # height and width; a number for both
/// padding = "same"
/// activation = "relu"
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Conv2d {
    /// Channels of the output.
    #[schemars(range(min = 1, max = MOST_CHANNELS))]
    pub out_channels: usize,
    /// Size of the window, in elements.
    #[schemars(schema_with = "super::window::extents")]
    pub kernel_size: Pair,
    /// Step of the window; 1 by default.
    #[serde(default = "Pair::one")]
    #[schemars(schema_with = "super::window::extents")]
    pub stride: Pair,
    /// Zeros around the input; none by default.
    #[serde(default, skip_serializing_if = "Padding::is_valid")]
    #[schemars(!skip_serializing_if, extend("default" = "valid"))]
    pub padding: Padding,
    /// Distance between window elements; 1 by default.
    #[serde(default = "Pair::one")]
    #[schemars(schema_with = "super::window::extents")]
    pub dilation: Pair,
    /// Groups of channels that do not mix; as many as input channels make it depthwise. 1 by default.
    #[serde(default = "one_group")]
    #[schemars(range(min = 1, max = MOST_CHANNELS))]
    pub groups: usize,
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

const fn one_group() -> usize {
    1
}

impl Conv2d {
    /// So many output channels, a window of this size, and the defaults of all else.
    pub fn new(out_channels: usize, kernel_size: impl Into<Pair>) -> Self {
        Self {
            out_channels,
            kernel_size: kernel_size.into(),
            stride: Pair::ONE,
            padding: Padding::Valid,
            dilation: Pair::ONE,
            groups: 1,
            bias: true,
            activation: Activation::Identity,
            init: Init::default(),
            bias_init: Init::Zeros,
        }
    }

    /// With another step of the window.
    #[must_use]
    pub fn stride(self, stride: impl Into<Pair>) -> Self {
        Self { stride: stride.into(), ..self }
    }

    /// With zeros around the input.
    #[must_use]
    pub fn padding(self, padding: impl Into<Padding>) -> Self {
        Self { padding: padding.into(), ..self }
    }

    /// With `"same"` padding: at stride 1 the image keeps its size.
    #[must_use]
    pub fn same(self) -> Self {
        self.padding(Padding::SAME)
    }

    /// With window elements so far apart.
    #[must_use]
    pub fn dilation(self, dilation: impl Into<Pair>) -> Self {
        Self { dilation: dilation.into(), ..self }
    }

    /// With groups of channels that do not mix.
    #[must_use]
    pub fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
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

impl LayerDef for Conv2d {
    fn stem(&self) -> &'static str {
        "conv"
    }

    fn into_layer(self) -> Layer {
        Layer::Conv2d(self)
    }

    fn check(&self) -> Result<(), Wrong> {
        between("out_channels", self.out_channels, MOST_CHANNELS)?;
        between("groups", self.groups, MOST_CHANNELS)?;
        pair("kernel_size", self.kernel_size)?;
        pair("stride", self.stride)?;
        pair("dilation", self.dilation)?;
        inits(self.init, self.bias_init)
    }

    fn add(&self, builder: &mut ModelBuilder<'_>, x: Value) -> Result<Value, ShapeError> {
        let Self { out_channels, groups, .. } = *self;
        let [_, h, w, channels] = builder.ty(x).ranked("conv2d", "the input")?;
        let kernel = self.kernel_size.dims();
        let (stride, dilation) = (self.stride.dims(), self.dilation.dims());
        if groups == 0 || channels % groups != 0 || out_channels % groups != 0 {
            return Err(ShapeError::new(
                "conv2d",
                format!(
                    "groups = {groups} must divide the {channels} input channels and the \
                     {out_channels} output channels"
                ),
            ));
        }
        let padding = self.padding.sides([h, w], kernel, stride, dilation);
        let geometry = ConvGeometry { stride, padding, dilation, groups };
        let area = kernel[0].saturating_mul(kernel[1]);
        // The fan-out is that of PyTorch and Keras, which do not divide it by the groups.
        let fans = [channels / groups, out_channels].map(|n| area.saturating_mul(n)).into();
        let shape = [kernel[0], kernel[1], channels / groups, out_channels];
        let weight = builder.weight("weight", shape, self.init, fans);
        let y = builder.graph().push(ops::Conv2d::new(geometry), &[x, weight])?;
        let bias = self.bias.then_some((self.bias_init, fans));
        builder.bias_and_activation(y, bias, out_channels, self.activation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Graph;
    use crate::nn::Mode;
    use crate::tensor::TensorType;

    /// As `torch.nn.init` and Keras count them; PyTorch's biases have those of the weights.
    #[test]
    fn biases_and_groups_have_the_fans_of_pytorch() {
        let layer: Layer = Conv2d::new(6, 3).groups(2).into();
        let mut graph = Graph::default();
        let x = graph.source("x", TensorType::f32([1, 5, 5, 4]));
        let mut builder = ModelBuilder::new(&mut graph, Mode::Evaluate, None);
        builder.layers(&[layer], x).expect("it fits");
        assert!(builder.parameters().iter().all(|p| (p.fan_in, p.fan_out) == (18, 54)));
    }
}
