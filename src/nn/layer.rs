//! Layers as recipes describe them.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::Init;
use crate::graph::Activation;
use crate::ops::LocalResponseNorm;

/// One number for both spatial dimensions, or `[height, width]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a number, or two as [height, width]")]
pub enum Pair {
    /// The same for height and width.
    Both(usize),
    /// Height and width.
    Each([usize; 2]),
}

impl Pair {
    /// `[height, width]`.
    pub const fn dims(self) -> [usize; 2] {
        match self {
            Self::Both(n) => [n, n],
            Self::Each(dims) => dims,
        }
    }
}

/// Padding of a convolution or pooling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected \"valid\", \"same\", a number, or four as [top, bottom, left, right]"
)]
pub enum Padding {
    /// `"valid"` or `"same"`.
    Named(NamedPadding),
    /// The same on all sides.
    All(usize),
    /// `[top, bottom, left, right]`.
    Sides([usize; 4]),
    /// No padding.
    #[default]
    #[serde(skip)]
    Valid,
}

/// Padding by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NamedPadding {
    /// No padding.
    Valid,
    /// The output is `ceil(input / stride)` large; an odd remainder goes to bottom and right: Keras'
    /// rule, at any stride. PyTorch's `same` takes no stride; its layers state both sides alike.
    Same,
}

/// Whose numbers a local response normalization has: `y = x / (k + alpha' s)^beta`, where `s` is the
/// sum of the squares of `size` channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
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
    /// The op's numbers.
    pub(super) fn op(
        self,
        size: usize,
        alpha: f32,
        beta: f32,
        k: Option<f32>,
    ) -> LocalResponseNorm {
        #[expect(clippy::cast_precision_loss, reason = "the op refuses windows that are not small")]
        let (factor, default) = match self {
            Self::Torch => (1.0, 1.0),
            Self::Paper => (size as f32, 2.0),
        };
        // The op divides by the size.
        LocalResponseNorm { size, alpha: factor * alpha, beta, k: k.unwrap_or(default) }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Padding {
    /// `[top, bottom, left, right]` for a window of `kernel` elements (`dilation` apart) over
    /// `input`.
    pub fn sides(
        self,
        input: [usize; 2],
        kernel: [usize; 2],
        stride: [usize; 2],
        dilation: [usize; 2],
    ) -> [usize; 4] {
        match self {
            Self::Valid | Self::Named(NamedPadding::Valid) => [0; 4],
            Self::All(n) => [n; 4],
            Self::Sides(sides) => sides,
            Self::Named(NamedPadding::Same) => {
                let total = |i: usize| {
                    let stride = stride[i].max(1);
                    // What is beyond all numbers is refused where the geometry is checked.
                    let reach = dilation[i].saturating_mul(kernel[i].max(1) - 1).saturating_add(1);
                    let steps = (input[i].div_ceil(stride).max(1) - 1).saturating_mul(stride);
                    steps.saturating_add(reach).saturating_sub(input[i])
                };
                let (vertical, horizontal) = (total(0), total(1));
                let (top, left) = (vertical / 2, horizontal / 2);
                [top, vertical - top, left, horizontal - left]
            }
        }
    }
}

/// A layer of a model. Shapes are inferred from the layer before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Layer {
    /// Convolution over `[n, h, w, c]`.
    Conv2d {
        /// Channels of the output.
        out_channels: usize,
        /// Size of the window.
        kernel_size: Pair,
        /// Step of the window.
        #[serde(default = "one")]
        stride: Pair,
        /// Zeros around the input.
        #[serde(default, skip_serializing_if = "is_valid")]
        padding: Padding,
        /// Distance between window elements.
        #[serde(default = "one")]
        dilation: Pair,
        /// Groups of channels that do not mix; as many as input channels make it depthwise.
        #[serde(default = "one_group")]
        groups: usize,
        /// Whether a bias is added.
        #[serde(default = "yes")]
        bias: bool,
        /// Function applied to the result.
        #[serde(default)]
        activation: Activation,
        /// Initial weights.
        #[serde(default)]
        init: Init,
        /// Initial biases.
        #[serde(default = "zeros", skip_serializing_if = "is_zeros")]
        bias_init: Init,
    },
    /// Fully connected layer over `[n, features]`.
    Dense {
        /// Features of the output; where absent, one per class of the data set.
        #[serde(default, skip_serializing_if = "is_classes", deserialize_with = "units")]
        units: usize,
        /// Whether a bias is added.
        #[serde(default = "yes")]
        bias: bool,
        /// Function applied to the result.
        #[serde(default)]
        activation: Activation,
        /// Initial weights.
        #[serde(default)]
        init: Init,
        /// Initial biases.
        #[serde(default = "zeros", skip_serializing_if = "is_zeros")]
        bias_init: Init,
    },
    /// Maximum over windows.
    #[serde(rename = "max_pool2d")]
    MaxPool2d {
        /// Size of the window.
        window: Pair,
        /// Step of the window; the window's size where absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stride: Option<Pair>,
        /// Padding, which never wins.
        #[serde(default, skip_serializing_if = "is_valid")]
        padding: Padding,
        /// Whether a last window that reaches beyond the padded input counts, as PyTorch's
        /// `ceil_mode`.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        ceil_mode: bool,
    },
    /// Mean over windows.
    #[serde(rename = "avg_pool2d")]
    AvgPool2d {
        /// Size of the window.
        window: Pair,
        /// Step of the window; the window's size where absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stride: Option<Pair>,
        /// Zeros around the input.
        #[serde(default, skip_serializing_if = "is_valid")]
        padding: Padding,
        /// Whether the padding's zeros count in the mean: as PyTorch does unless told otherwise,
        /// and Keras and this layer never do.
        #[serde(default)]
        count_include_pad: bool,
        /// Whether a last window that reaches beyond the padded input counts, as PyTorch's
        /// `ceil_mode`.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        ceil_mode: bool,
    },
    /// Mean over height and width: `[n, h, w, c]` to `[n, c]`.
    #[serde(rename = "global_avg_pool2d")]
    GlobalAvgPool2d {},
    /// Mean over a given number of windows, whatever the size of the image.
    #[serde(rename = "adaptive_avg_pool2d")]
    AdaptiveAvgPool2d {
        /// Height and width of the output.
        output: Pair,
    },
    /// `[n, ...]` to `[n, features]`.
    Flatten {},
    /// Batch normalization over all dimensions but the last. As in PyTorch, running statistics have
    /// the variance that divides by one less than the number of rows; in Keras, by the number.
    BatchNorm {
        /// Weight of the newest batch in the running statistics, in [0, 1]: PyTorch's `momentum` and
        /// its default of 0.1. Keras' is one minus this, 0.99 by default: 0.01 here.
        #[serde(default = "batch_norm_momentum")]
        momentum: f32,
        /// Added to the variance, above 0. The default is PyTorch's, 1e-5; Keras has 1e-3.
        #[serde(default = "batch_norm_epsilon")]
        epsilon: f32,
        /// Whether the scale starts at zero: at the end of a residual branch, the block then starts
        /// as its shortcut (Goyal et al., 2017).
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        zero_init: bool,
    },
    /// An activation function on its own.
    Activation {
        /// The function.
        function: Activation,
    },
    /// Zeroes a random part of the elements during training.
    Dropout {
        /// Part that is zeroed, in [0, 1).
        rate: f32,
    },
    /// AlexNet's normalization over neighboring channels.
    LocalResponseNorm {
        /// Whose `alpha` and `k` are meant.
        #[serde(default, skip_serializing_if = "LrnForm::is_default")]
        form: LrnForm,
        /// Channels in the window.
        #[serde(default = "lrn_size")]
        size: usize,
        /// Factor of the squares of a window: of their sum or of their mean, as `form` says.
        #[serde(default = "lrn_alpha")]
        alpha: f32,
        /// Exponent.
        #[serde(default = "lrn_beta")]
        beta: f32,
        /// Added to the scaled squares; where absent, 1 in PyTorch's form and 2 in the paper's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        k: Option<f32>,
    },
    /// `activation(layers(x) + shortcut(x))`.
    Residual {
        /// The main branch.
        layers: Vec<Layer>,
        /// The other branch; `x` itself where empty.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        shortcut: Vec<Layer>,
        /// Function applied to the sum.
        #[serde(default)]
        activation: Activation,
    },
    /// Branches side by side, joined along the channels.
    Concat {
        /// The branches; an empty one passes its input on.
        branches: Vec<Vec<Layer>>,
    },
}

impl Layer {
    /// Stem of the layer's name: `conv` in `conv1`.
    pub const fn stem(&self) -> &'static str {
        match self {
            Self::Conv2d { .. } => "conv",
            Self::Dense { .. } => "dense",
            Self::MaxPool2d { .. }
            | Self::AvgPool2d { .. }
            | Self::GlobalAvgPool2d {}
            | Self::AdaptiveAvgPool2d { .. } => "pool",
            Self::Flatten {} => "flatten",
            Self::BatchNorm { .. } => "norm",
            Self::Activation { .. } => "activation",
            Self::Dropout { .. } => "dropout",
            Self::LocalResponseNorm { .. } => "lrn",
            Self::Residual { .. } => "residual",
            Self::Concat { .. } => "concat",
        }
    }

    /// Layers with one class per dense layer that names no units: `layers` for so many classes.
    pub fn with_classes(layers: &[Self], classes: usize) -> Vec<Self> {
        let mut layers = layers.to_vec();
        layers.iter_mut().for_each(|layer| layer.set_classes(classes));
        layers
    }

    fn set_classes(&mut self, classes: usize) {
        match self {
            Self::Dense { units: units @ 0, .. } => *units = classes,
            Self::Residual { layers, shortcut, .. } => {
                layers.iter_mut().chain(shortcut).for_each(|layer| layer.set_classes(classes));
            }
            Self::Concat { branches } => {
                branches.iter_mut().flatten().for_each(|layer| layer.set_classes(classes));
            }
            _ => {}
        }
    }

    /// Whether this layer, or one inside it, normalizes over the batch.
    pub fn normalizes_over_batch(&self) -> bool {
        match self {
            Self::BatchNorm { .. } => true,
            Self::Residual { layers, shortcut, .. } => {
                layers.iter().chain(shortcut).any(Self::normalizes_over_batch)
            }
            Self::Concat { branches } => branches.iter().flatten().any(Self::normalizes_over_batch),
            _ => false,
        }
    }
}

fn is_valid(padding: &Padding) -> bool {
    matches!(padding, Padding::Valid | Padding::Named(NamedPadding::Valid))
}
const fn one() -> Pair {
    Pair::Both(1)
}
const fn one_group() -> usize {
    1
}
const fn zeros() -> Init {
    Init::Zeros
}
fn is_zeros(init: &Init) -> bool {
    *init == Init::Zeros
}
/// A number of units that is given.
fn units<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    match usize::deserialize(deserializer)? {
        0 => Err(D::Error::custom("must be at least 1, it is 0; leave it out for one per class")),
        units => Ok(units),
    }
}
fn is_classes(units: &usize) -> bool {
    *units == 0
}
const fn yes() -> bool {
    true
}
const fn batch_norm_momentum() -> f32 {
    0.1
}
const fn batch_norm_epsilon() -> f32 {
    1e-5
}
const fn lrn_size() -> usize {
    5
}
const fn lrn_alpha() -> f32 {
    1e-4
}
const fn lrn_beta() -> f32 {
    0.75
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_padding_is_asymmetric_where_it_must_be() {
        let same = Padding::Named(NamedPadding::Same);
        assert_eq!(same.sides([28, 28], [3, 3], [1, 1], [1, 1]), [1, 1, 1, 1]);
        assert_eq!(same.sides([28, 28], [2, 2], [1, 1], [1, 1]), [0, 1, 0, 1]);
        assert_eq!(same.sides([5, 7], [3, 3], [2, 2], [1, 1]), [1, 1, 1, 1]);
        assert_eq!(same.sides([6, 6], [3, 3], [2, 2], [1, 1]), [0, 1, 0, 1]);
    }

    /// Both forms of the sum of five squares, by their names alone.
    #[test]
    fn response_norms_have_the_numbers_of_their_source() {
        for (form, alpha, k) in [("", 1e-4, 1.0), ("torch", 1e-4, 1.0), ("paper", 5e-4, 2.0)] {
            let mut text = "type = \"local_response_norm\"\n".to_owned();
            if !form.is_empty() {
                text += &format!("form = \"{form}\"\n");
            }
            let Layer::LocalResponseNorm { form, size, alpha: given, beta, k: of } =
                toml::from_str(&text).expect("a layer")
            else {
                panic!("it is a normalization")
            };
            let op = form.op(size, given, beta, of);
            assert_eq!((op.size, op.beta, op.k), (5, 0.75, k));
            assert!((op.alpha - alpha).abs() < 1e-10, "{text}: {}", op.alpha);
        }
    }

    #[test]
    fn layers_read_from_toml() {
        #[derive(Deserialize)]
        struct Model {
            layer: Vec<Layer>,
        }
        let text = "[[layer]]\ntype = \"conv2d\"\nout_channels = 8\nkernel_size = [3, 5]\n\
                    padding = \"same\"\nactivation = \"relu\"\n[[layer]]\ntype = \"max_pool2d\"\n\
                    window = 2\n";
        let model: Model = toml::from_str(text).expect("valid layers");
        assert_eq!(model.layer.len(), 2);
        let Layer::Conv2d { kernel_size, padding, .. } = &model.layer[0] else {
            panic!("the first layer is a convolution")
        };
        assert_eq!(kernel_size.dims(), [3, 5]);
        assert_eq!(*padding, Padding::Named(NamedPadding::Same));
    }
}
