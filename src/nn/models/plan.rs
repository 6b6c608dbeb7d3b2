//! Layers of a model in the making, each with the name that PyTorch's version of the model gives it.

use crate::graph::Activation;
use crate::nn::{BatchNorm, Conv2d, Dense, Init, Layer, MaxPool2d, Residual};

/// Layers, and the PyTorch modules of those that have parameters.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelPlan {
    /// The layers.
    pub layers: Vec<Layer>,
    /// Module of each convolution, dense layer and batch norm, in the order in which a model builder
    /// reaches them: `layer1.0.conv1`.
    pub modules: Vec<String>,
}

impl ModelPlan {
    /// Adds a layer without parameters.
    pub(super) fn plain(&mut self, layer: impl Into<Layer>) {
        self.layers.push(layer.into());
    }

    /// Adds a layer whose parameters PyTorch keeps under `module`.
    pub(super) fn named(&mut self, module: impl Into<String>, layer: impl Into<Layer>) {
        self.layers.push(layer.into());
        self.modules.push(module.into());
    }

    /// Adds `activation(main(x) + shortcut(x))`; an empty shortcut is `x` itself.
    pub(super) fn residual(&mut self, main: Self, shortcut: Self, activation: Activation) {
        // A model builder goes through the main branch first.
        self.modules.extend(main.modules.into_iter().chain(shortcut.modules));
        let block = Residual::new(main.layers).shortcut(shortcut.layers);
        self.plain(block.activation(activation));
    }

    /// Adds a convolution without bias, batch norm and an activation function, as most models of
    /// images have them.
    pub(super) fn conv_norm(
        &mut self,
        [conv, norm]: [String; 2],
        layer: Conv,
        function: Activation,
    ) {
        self.named(conv, layer.layer());
        self.named(norm, BatchNorm::default());
        if function != Activation::Identity {
            self.plain(function);
        }
    }
}

/// A convolution, as builders of models need it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Conv {
    pub out_channels: usize,
    pub kernel_size: usize,
    pub stride: usize,
    pub padding: usize,
    pub groups: usize,
    pub bias: Option<Init>,
    pub activation: Activation,
    pub init: Init,
}

impl Conv {
    /// Without bias, with padding that keeps the size of the image at stride 1.
    pub const fn same(out_channels: usize, kernel_size: usize, stride: usize) -> Self {
        Self {
            out_channels,
            kernel_size,
            stride,
            padding: kernel_size / 2,
            groups: 1,
            bias: None,
            activation: Activation::Identity,
            init: Init::HeNormalFanOut,
        }
    }

    /// Each of `channels` channels by itself.
    pub const fn depthwise(channels: usize, stride: usize) -> Self {
        Self { groups: channels, ..Self::same(channels, 3, stride) }
    }

    pub fn layer(self) -> Conv2d {
        Conv2d {
            stride: self.stride.into(),
            padding: self.padding.into(),
            groups: self.groups,
            bias: self.bias.is_some(),
            activation: self.activation,
            init: self.init,
            bias_init: self.bias.unwrap_or(Init::Zeros),
            ..Conv2d::new(self.out_channels, self.kernel_size)
        }
    }
}

/// The last layer: one logit per class, as many as the data set has where none are given.
pub(super) fn classifier(classes: Option<usize>, init: Init) -> Dense {
    Dense::new(classes.unwrap_or(0)).init(init)
}

pub(super) fn max_pool(window: usize, stride: usize, padding: usize) -> MaxPool2d {
    MaxPool2d::new(window).stride(stride).padding(padding)
}

/// `channels` times the width factor, rounded down, at least one.
pub(super) fn scaled(channels: usize, width: f32) -> usize {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "widths are checked to be positive, channels are a few thousand"
    )]
    let scaled = (channels as f32 * width) as usize;
    scaled.max(1)
}

/// Says what is wrong with a width factor.
pub(super) fn check_width(width: f32) -> Result<(), (&'static str, String)> {
    if width > 0.0 && width <= 16.0 {
        return Ok(());
    }
    Err(("width", format!("must lie in (0, 16], it is {width}")))
}

/// Says what is wrong with a rate of dropout.
pub(super) fn check_dropout(rate: f32) -> Result<(), (&'static str, String)> {
    if (0.0..1.0).contains(&rate) {
        return Ok(());
    }
    Err(("dropout", format!("must lie in [0, 1), it is {rate}")))
}
