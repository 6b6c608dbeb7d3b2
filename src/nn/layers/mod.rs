//! The layers of models, a type each, and [`Layer`], which is any of them: in code and in recipes.

mod bounds;
mod branches;
mod conv2d;
mod conv_transpose2d;
mod custom;
mod dense;
mod norm;
mod pool;
mod simple;
mod upsample2d;
mod window;

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use bounds::Wrong;
use bounds::below;
pub use branches::{Concat, Residual};
pub use conv_transpose2d::ConvTranspose2d;
pub use conv2d::Conv2d;
pub use custom::{CustomLayer, LayerDef};
pub use dense::Dense;
pub use norm::{BatchNorm, LocalResponseNorm, LrnForm};
pub use pool::{AdaptiveAvgPool2d, AvgPool2d, GlobalAvgPool2d, MaxPool2d};
pub use simple::{ActivationLayer, Dropout, Flatten};
pub use upsample2d::{Upsample2d, UpsampleMethod};
pub use window::{NamedPadding, Padding, Pair};

use super::build::ModelBuilder;
use crate::error::ShapeError;
use crate::graph::{Activation, Value};
use crate::tensor::DType;

/// A layer of a model. Shapes are inferred from the layer before. Images are `[n, h, w, c]`: batch,
/// height, width, channels.
///
/// In a recipe, it is a table with its `type`; in code, it is made from the layer's own type:
///
/// ```
/// use verigrad::nn::{Conv2d, Dense, Flatten, Layer, MaxPool2d, layers};
///
/// let model: Vec<Layer> =
///     layers![Conv2d::new(32, 3).relu(), MaxPool2d::new(2), Flatten {}, Dense::new(10)];
/// # assert_eq!(model.len(), 4);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is documented by its type")]
pub enum Layer {
    Conv2d(Conv2d),
    #[serde(rename = "conv_transpose2d")]
    ConvTranspose2d(ConvTranspose2d),
    #[serde(rename = "upsample2d")]
    Upsample2d(Upsample2d),
    Dense(Dense),
    #[serde(rename = "max_pool2d")]
    MaxPool2d(MaxPool2d),
    #[serde(rename = "avg_pool2d")]
    AvgPool2d(AvgPool2d),
    #[serde(rename = "global_avg_pool2d")]
    GlobalAvgPool2d(GlobalAvgPool2d),
    #[serde(rename = "adaptive_avg_pool2d")]
    AdaptiveAvgPool2d(AdaptiveAvgPool2d),
    Flatten(Flatten),
    BatchNorm(BatchNorm),
    Activation(ActivationLayer),
    Dropout(Dropout),
    LocalResponseNorm(LocalResponseNorm),
    Residual(Residual),
    Concat(Concat),
    /// A layer of one's own, in code only.
    #[serde(skip)]
    Custom(CustomLayer),
}

/// A list of layers: `layers![Flatten {}, Dense::new(10)]` is a `Vec<`[`Layer`](crate::nn::Layer)`>`.
#[macro_export]
macro_rules! layers {
    ($($layer:expr),* $(,)?) => {
        vec![$($crate::nn::Layer::from($layer)),*]
    };
}

impl<L: LayerDef + 'static> From<L> for Layer {
    fn from(layer: L) -> Self {
        layer.into_layer()
    }
}

impl From<Activation> for Layer {
    fn from(function: Activation) -> Self {
        Self::Activation(ActivationLayer { function })
    }
}

impl Layer {
    fn def(&self) -> &dyn LayerDef {
        match self {
            Self::Conv2d(layer) => layer,
            Self::ConvTranspose2d(layer) => layer,
            Self::Upsample2d(layer) => layer,
            Self::Dense(layer) => layer,
            Self::MaxPool2d(layer) => layer,
            Self::AvgPool2d(layer) => layer,
            Self::GlobalAvgPool2d(layer) => layer,
            Self::AdaptiveAvgPool2d(layer) => layer,
            Self::Flatten(layer) => layer,
            Self::BatchNorm(layer) => layer,
            Self::Activation(layer) => layer,
            Self::Dropout(layer) => layer,
            Self::LocalResponseNorm(layer) => layer,
            Self::Residual(layer) => layer,
            Self::Concat(layer) => layer,
            Self::Custom(layer) => &**layer,
        }
    }

    /// Stem of the layer's name: `conv` in `conv1`.
    pub fn stem(&self) -> &'static str {
        self.def().stem()
    }

    /// The layers inside this one, branch by branch, each with the key by which recipes have it and the
    /// name that the names of its layers have in front.
    pub fn branches(&self) -> Vec<Branch<'_>> {
        match self {
            Self::Residual(Residual { layers, shortcut, .. }) => vec![
                Branch { key: "layers".to_owned(), name: String::new(), layers },
                Branch {
                    key: "shortcut".to_owned(),
                    name: "shortcut".to_owned(),
                    layers: shortcut,
                },
            ],
            Self::Concat(Concat { branches }) => {
                let branch = |(i, layers)| {
                    let (key, name) = (format!("branches.{i}"), format!("branch{}", i + 1));
                    Branch { key, name, layers }
                };
                branches.iter().enumerate().map(branch).collect()
            }
            _ => Vec::new(),
        }
    }

    fn branches_mut(&mut self) -> Vec<&mut Vec<Self>> {
        match self {
            Self::Residual(Residual { layers, shortcut, .. }) => vec![layers, shortcut],
            Self::Concat(Concat { branches }) => branches.iter_mut().collect(),
            _ => Vec::new(),
        }
    }

    /// Layers with one class per dense layer that names no units: `layers` for so many classes.
    pub fn with_classes(layers: &[Self], classes: usize) -> Vec<Self> {
        let mut layers = layers.to_vec();
        layers.iter_mut().for_each(|layer| layer.set_classes(classes));
        layers
    }

    fn set_classes(&mut self, classes: usize) {
        if let Self::Dense(Dense { units: units @ 0, .. }) = self {
            *units = classes;
        }
        let inner = self.branches_mut().into_iter().flatten();
        inner.for_each(|layer| layer.set_classes(classes));
    }

    /// Whether this layer, or one inside it, normalizes over the batch.
    pub fn normalizes_over_batch(&self) -> bool {
        let mut inner = self.branches().into_iter().flat_map(|branch| branch.layers);
        matches!(self, Self::BatchNorm(_)) || inner.any(Self::normalizes_over_batch)
    }

    /// Says which number of a list of layers cannot be: its key, with numbers for positions in lists
    /// (`1.layers.0.rate`), and a message.
    ///
    /// # Errors
    /// Names the first.
    pub fn check_all(layers: &[Self]) -> Result<(), Wrong> {
        let mut layers = layers.iter().enumerate();
        layers.try_for_each(|(i, layer)| below(&i.to_string(), layer.def().check()))
    }

    /// The key of the layer that has a name, such as `0.layers.1` for `residual1.conv1`: layers of a
    /// kind are counted within the layer around them.
    pub fn key_of(layers: &[Self], name: &str) -> Option<String> {
        let mut counts = HashMap::new();
        for (i, layer) in layers.iter().enumerate() {
            let count = counts.entry(layer.stem()).or_insert(0);
            *count += 1;
            let Some(rest) = name.strip_prefix(&format!("{}{count}", layer.stem())) else {
                continue;
            };
            if rest.is_empty() {
                return Some(i.to_string());
            }
            let Some(rest) = rest.strip_prefix('.') else { continue };
            // The main branch adds nothing to names, so that it fits them all.
            let inner =
                layer.branches().into_iter().rev().find_map(|Branch { key, name, layers }| {
                    let rest = if name.is_empty() {
                        rest
                    } else {
                        rest.strip_prefix(&format!("{name}."))?
                    };
                    Some(format!("{key}.{}", Self::key_of(layers, rest)?))
                });
            return Some(inner.map_or(i.to_string(), |inner| format!("{i}.{inner}")));
        }
        None
    }
}

/// Layers inside a layer.
#[derive(Debug)]
pub struct Branch<'a> {
    /// Where recipes have it: `layers`, `branches.0`.
    pub key: String,
    /// What names of its layers have in front, behind that of the layer; may be empty.
    pub name: String,
    /// The layers.
    pub layers: &'a Vec<Layer>,
}

impl ModelBuilder<'_> {
    /// Adds layers one after the other.
    ///
    /// # Errors
    /// When a layer cannot take the shape that reaches it; the message names the layer.
    pub fn layers(&mut self, layers: &[Layer], x: Value) -> Result<Value, ShapeError> {
        let outermost = self.is_outermost();
        let x = if outermost { self.cast(x, self.precision().dtype())? } else { x };
        let y = layers.iter().try_fold(x, |x, layer| {
            let def = layer.def();
            self.named(def.stem(), |builder| def.add(builder, x))
        })?;
        if outermost { self.cast(y, DType::F32) } else { Ok(y) }
    }

    /// Adds layers inside the layer at hand; `branch` tells them from those of another branch.
    ///
    /// # Errors
    /// As [`Self::layers`].
    pub fn inside(
        &mut self,
        branch: &str,
        layers: &[Layer],
        x: Value,
    ) -> Result<Value, ShapeError> {
        self.below(branch, |builder| builder.layers(layers, x))
    }
}

const fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_found_by_their_names() {
        let layers = serde_json::json!([
            { "type": "conv2d", "out_channels": 4, "kernel_size": 3 },
            { "type": "residual", "layers": [
                { "type": "conv2d", "out_channels": 4, "kernel_size": 1 },
                { "type": "batch_norm" } ], "shortcut": [ { "type": "dropout", "rate": 1.0 } ] },
            { "type": "concat", "branches": [ [], [ { "type": "batch_norm", "epsilon": 0.0 } ] ] },
            { "type": "conv2d", "out_channels": 4, "kernel_size": 3 },
        ]);
        let layers: Vec<Layer> = serde_json::from_value(layers).expect("these are layers");
        for (name, key) in [
            ("conv1", Some("0")),
            ("conv2", Some("3")),
            ("residual1.norm1", Some("1.layers.1")),
            ("residual1.shortcut.dropout1", Some("1.shortcut.0")),
            ("concat1.branch2.norm1", Some("2.branches.1.0")),
            ("conv3", None),
            ("conv10", None),
        ] {
            assert_eq!(Layer::key_of(&layers, name).as_deref(), key, "{name}");
        }
        let (key, message) = Layer::check_all(&layers).expect_err("a rate of one");
        assert_eq!(
            (key.as_str(), message.as_str()),
            ("1.shortcut.0.rate", "must lie in [0, 1), it is 1")
        );
        let (key, _) = Layer::check_all(&layers[2..]).expect_err("an epsilon of zero");
        assert_eq!(key, "0.branches.1.0.epsilon");
    }

    #[test]
    fn layers_read_from_toml() {
        #[derive(Deserialize)]
        struct Model {
            layer: Vec<Layer>,
        }
        let text = "[[layer]]\ntype = \"conv2d\"\nout_channels = 8\nkernel_size = [3, 5]\n\
                    padding = \"same\"\nactivation = \"relu\"\n[[layer]]\ntype = \"max_pool2d\"\n\
                    window = 2\n[[layer]]\ntype = \"flatten\"\n[[layer]]\ntype = \"dense\"\n";
        let model: Model = toml::from_str(text).expect("valid layers");
        let conv = Conv2d::new(8, [3, 5]).same().relu();
        assert_eq!(model.layer, layers![conv, MaxPool2d::new(2), Flatten {}, Dense::classes()]);
        let unknown = "[[layer]]\ntype = \"flatten\"\nunits = 3\n";
        let error = toml::from_str::<Model>(unknown).err().expect("flatten has no units");
        assert!(error.to_string().contains("units"), "{error}");
    }

    /// What is written is read again as it was.
    #[test]
    fn layers_are_the_same_in_code_and_in_text() {
        let all = layers![
            Conv2d::new(8, 3).stride(2).padding([0, 1, 0, 1]).dilation([1, 2]).groups(2).no_bias(),
            BatchNorm { momentum: 0.01, epsilon: 1e-3, zero_init: true },
            Activation::Silu,
            AvgPool2d::new([2, 3]).stride(1).padding(1),
            Residual::new(layers![Conv2d::new(8, 3).same()])
                .shortcut(layers![Dropout::new(0.5)])
                .relu(),
            Concat::new(vec![vec![], layers![LocalResponseNorm::default()]]),
            ConvTranspose2d::new(4, 3).stride(2).padding(1).output_padding(1).no_bias().relu(),
            Upsample2d::new([2, 3]),
            Upsample2d::new(2).bilinear(),
            AdaptiveAvgPool2d::new(3),
            GlobalAvgPool2d {},
            Dense::new(4).activation(Activation::Tanh).init(crate::nn::Init::Normal(0.5)),
        ];
        let text = serde_json::to_string(&all).expect("all can be written");
        let again: Vec<Layer> = serde_json::from_str(&text).expect("its own text");
        assert_eq!(again, all);
    }
}
