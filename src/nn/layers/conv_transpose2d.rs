//! Transposed convolution, which makes images larger.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounds::{MOST_CHANNELS, Wrong, between, inits, pair};
use super::{Layer, LayerDef, Pair};
use crate::error::ShapeError;
use crate::graph::{Activation, Value};
use crate::nn::{Init, ModelBuilder};
use crate::ops::{Conv2dInputGrad, ConvGeometry};

/// Transposed convolution: `[n, h, w, c]` to `[n, h', w', out_channels]` with
/// `h' = (h - 1) s - 2 p + k + o`, as PyTorch's `ConvTranspose2d` and Keras' `Conv2DTranspose`: what the
/// gradient of a convolution with stride `s` and padding `p` makes of its input, with `k` the kernel's size and
/// `o` the `output_padding`. Parameters: `weight` `[kernel height, kernel width, out_channels, c]`, `bias`
/// `[out_channels]`.
///
/// ```
/// use verigrad::model::Model;
/// use verigrad::nn::ConvTranspose2d;
///
/// let model = Model::new([7, 7, 16]).add(ConvTranspose2d::new(8, 2).stride(2));
/// assert_eq!(model.summary()?[0].output.to_string(), "[14, 14, 8]");
/// # Ok::<(), verigrad::model::ModelError>(())
/// ```
///
/// ```toml
/// [[layers]]
/// type = "conv_transpose2d"
/// out_channels = 8
/// kernel_size = 2
/// stride = 2
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConvTranspose2d {
    /// Channels of the output.
    #[schemars(range(min = 1, max = MOST_CHANNELS))]
    pub out_channels: usize,
    /// Size of the window, in elements.
    #[schemars(schema_with = "super::window::extents")]
    pub kernel_size: Pair,
    /// Elements of the output between those of the input; 1 by default.
    #[serde(default = "Pair::one")]
    #[schemars(schema_with = "super::window::extents")]
    pub stride: Pair,
    /// Rows and columns cut off on both sides; none by default.
    #[serde(default = "Pair::zero", skip_serializing_if = "Pair::is_zero")]
    #[schemars(!skip_serializing_if, schema_with = "super::window::distances")]
    pub padding: Pair,
    /// Rows and columns more at the bottom and the right, below the stride; none by default.
    #[serde(default = "Pair::zero", skip_serializing_if = "Pair::is_zero")]
    #[schemars(!skip_serializing_if, schema_with = "super::window::distances")]
    pub output_padding: Pair,
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

impl ConvTranspose2d {
    /// So many output channels, a window of this size, and the defaults of all else.
    pub fn new(out_channels: usize, kernel_size: impl Into<Pair>) -> Self {
        Self {
            out_channels,
            kernel_size: kernel_size.into(),
            stride: Pair::ONE,
            padding: Pair::zero(),
            output_padding: Pair::zero(),
            bias: true,
            activation: Activation::Identity,
            init: Init::default(),
            bias_init: Init::Zeros,
        }
    }

    /// With elements of the output between those of the input.
    #[must_use]
    pub fn stride(self, stride: impl Into<Pair>) -> Self {
        Self { stride: stride.into(), ..self }
    }

    /// With rows and columns cut off on both sides.
    #[must_use]
    pub fn padding(self, padding: impl Into<Pair>) -> Self {
        Self { padding: padding.into(), ..self }
    }

    /// With rows and columns more at the bottom and the right.
    #[must_use]
    pub fn output_padding(self, output_padding: impl Into<Pair>) -> Self {
        Self { output_padding: output_padding.into(), ..self }
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
}

impl LayerDef for ConvTranspose2d {
    fn stem(&self) -> &'static str {
        "conv_transpose"
    }

    fn check(&self) -> Result<(), Wrong> {
        between("out_channels", self.out_channels, MOST_CHANNELS)?;
        pair("kernel_size", self.kernel_size)?;
        pair("stride", self.stride)?;
        let (more, stride) = (self.output_padding.dims(), self.stride.dims());
        if more[0] >= stride[0] || more[1] >= stride[1] {
            let message = format!("must be below the stride {stride:?}, it is {more:?}");
            return Err(("output_padding".to_owned(), message));
        }
        let (padding, kernel) = (self.padding.dims(), self.kernel_size.dims());
        if padding[0] >= kernel[0] || padding[1] >= kernel[1] {
            let message = format!("must be below the kernel's size {kernel:?}, it is {padding:?}");
            return Err(("padding".to_owned(), message));
        }
        inits(self.init, self.bias_init)
    }

    fn add(&self, builder: &mut ModelBuilder<'_>, x: Value) -> Result<Value, ShapeError> {
        let [_, h, w, channels] = builder.ty(x).ranked("conv_transpose2d", "the input")?;
        let (kernel, stride) = (self.kernel_size.dims(), self.stride.dims());
        let (padding, more) = (self.padding.dims(), self.output_padding.dims());
        let extent = |axis: usize, input: usize| {
            let reach = (input.max(1) - 1).checked_mul(stride[axis])?.checked_add(kernel[axis])?;
            reach
                .checked_add(more[axis])?
                .checked_sub(padding[axis].checked_mul(2)?)
                .filter(|&n| n > 0)
        };
        let Some(output) = extent(0, h).zip(extent(1, w)) else {
            let message = format!("padding {padding:?} leaves nothing of {h}x{w} pixels");
            return Err(ShapeError::new("conv_transpose2d", message));
        };
        let [top, left] = padding;
        // Of the convolution whose gradient this is: its windows do not reach what `output_padding` adds.
        let (padding, dilation) = ([top, top, left, left], [1, 1]);
        let geometry = ConvGeometry { stride, padding, dilation, groups: 1 };
        let area = kernel[0].saturating_mul(kernel[1]);
        let fans = [self.out_channels, channels].map(|n| area.saturating_mul(n)).into();
        let shape = [kernel[0], kernel[1], self.out_channels, channels];
        let weight = builder.weight("weight", shape, self.init, fans);
        let op = Conv2dInputGrad::new(geometry, [output.0, output.1]);
        let y = builder.push(op, &[x, weight])?;
        let bias = self.bias.then_some((self.bias_init, fans));
        builder.bias_and_activation(y, bias, self.out_channels, self.activation)
    }

    fn into_layer(self) -> Layer {
        Layer::ConvTranspose2d(self)
    }
}
