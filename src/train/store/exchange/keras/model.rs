//! A model's layers as Keras has them.

use crate::nn::Layer;
use crate::tensor::Shape;
use crate::train::ModelPrograms;

/// What a layer is in Keras.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::train::store::exchange) enum Kind {
    Conv2d,
    DepthwiseConv2d,
    Conv2dTranspose,
    Dense,
    BatchNormalization,
    /// A layer in code that Keras does not know.
    Unknown,
}

impl Kind {
    /// What Keras calls its group in a file.
    pub fn class(self) -> &'static str {
        match self {
            Self::Conv2d => "conv2d",
            Self::DepthwiseConv2d => "depthwise_conv2d",
            Self::Conv2dTranspose => "conv2d_transpose",
            Self::Dense => "dense",
            Self::BatchNormalization => "batch_normalization",
            Self::Unknown => "layer",
        }
    }

    /// What Keras calls a tensor, and at which place it lies among those of its layer.
    pub fn part(self, ours: &str) -> Option<(usize, &'static str)> {
        let is_norm = self == Self::BatchNormalization;
        Some(match ours {
            "weight" if is_norm => (0, "gamma"),
            "bias" if is_norm => (1, "beta"),
            "running_mean" if is_norm => (2, "moving_mean"),
            "running_variance" if is_norm => (3, "moving_variance"),
            "weight" if self == Self::DepthwiseConv2d => (0, "depthwise_kernel"),
            "weight" => (0, "kernel"),
            "bias" => (1, "bias"),
            _ => return None,
        })
    }
}

/// A layer with weights.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::train::store::exchange) struct OwnLayer {
    /// Our name.
    pub name: String,
    pub kind: Kind,
    /// Groups of a convolution, else 1.
    pub groups: usize,
    /// Its tensors in the order in which Keras has them: what Keras calls each, our name, our shape.
    pub parts: Vec<(&'static str, String, Shape)>,
}

impl OwnLayer {
    /// Our name as one word: a dot has no meaning to Keras, and a slash would make groups of it.
    pub fn word(&self) -> String {
        self.name.replace(['.', '/'], "_")
    }

    /// The shape that a tensor of ours has in Keras.
    pub fn keras_shape(&self, part: &str, ours: &Shape) -> Shape {
        match ours.dims() {
            // Output channel `c * m + j` is the `j`-th of `m` that are made of channel `c`.
            &[kh, kw, 1, out] if part == "depthwise_kernel" => {
                Shape::from([kh, kw, self.groups, out / self.groups.max(1)])
            }
            _ => ours.clone(),
        }
    }
}

/// The layers of a model that have weights, in its order; in a residual block, the shortcut comes last.
pub(in crate::train::store::exchange) fn layers_of(model: &ModelPrograms) -> Vec<OwnLayer> {
    let mut groups = groups(model.layers()).into_iter();
    let mut layers: Vec<OwnLayer> = Vec::new();
    let parameters = model.parameters.iter().map(|p| (&p.name, &p.shape));
    let states = model.states.iter().map(|s| (&s.name, &s.shape));
    for (name, shape) in parameters.chain(states) {
        let (layer, part) = name.rsplit_once('.').unwrap_or(("", name));
        let known = layers.iter().position(|known| known.name == layer);
        let at = known.unwrap_or_else(|| {
            let (kind, groups) = kind_of(layer, shape, &mut groups);
            layers.push(OwnLayer { name: layer.to_owned(), kind, groups, parts: Vec::new() });
            layers.len() - 1
        });
        let kind = layers[at].kind;
        let part = kind.part(part);
        if part.is_none() {
            layers[at].kind = Kind::Unknown;
        }
        let (_, theirs) = part.unwrap_or_default();
        layers[at].parts.push((theirs, name.clone(), shape.clone()));
    }
    for layer in &mut layers {
        let kind = layer.kind;
        let place = |ours: &str| kind.part(ours.rsplit('.').next().unwrap_or(ours));
        layer.parts.sort_by_key(|(_, ours, _)| place(ours).map_or(usize::MAX, |(at, _)| at));
    }
    layers
}

/// By the stem of the layer's name and the shape of its first tensor; with its groups.
fn kind_of(layer: &str, shape: &Shape, groups: &mut impl Iterator<Item = usize>) -> (Kind, usize) {
    let own = layer.rsplit('.').next().unwrap_or(layer);
    match (own.trim_end_matches(|c: char| c.is_ascii_digit()), shape.dims()) {
        ("conv", &[_, _, inner, _]) => match groups.next() {
            Some(groups) if groups > 1 && inner == 1 => (Kind::DepthwiseConv2d, groups),
            groups => (Kind::Conv2d, groups.unwrap_or(1)),
        },
        ("conv_transpose", &[_, _, _, _]) => (Kind::Conv2dTranspose, 1),
        ("dense", &[_, _]) => (Kind::Dense, 1),
        ("norm", &[_]) => (Kind::BatchNormalization, 1),
        _ => (Kind::Unknown, 1),
    }
}

/// Groups of each convolution, in the order of the parameters.
fn groups(layers: &[Layer]) -> Vec<usize> {
    let mut found = Vec::new();
    for layer in layers {
        if let Layer::Conv2d(conv) = layer {
            found.push(conv.groups);
        }
        found.extend(layer.branches().into_iter().flat_map(|branch| groups(branch.layers)));
    }
    found
}
