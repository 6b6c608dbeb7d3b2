//! What is wrong with the numbers of layers, whatever shape reaches them, and where a layer stands.

use std::collections::HashMap;

use super::{Init, Layer, Pair};
use crate::graph::OpDef;
use crate::tensor::TensorType;

/// Most channels or units: beyond, no device holds the weights.
const MOST_CHANNELS: usize = 1 << 24;
/// Largest window, step or distance, and height or width of an output.
const MOST_EXTENT: usize = 65_535;

/// A key below a layer, and what is wrong with its value.
type Wrong = (String, String);

impl Layer {
    /// Says which number of a list of layers cannot be: its key, with numbers for positions in lists
    /// (`1.layers.0.rate`), and a message.
    ///
    /// # Errors
    /// Names the first.
    pub fn check_all(layers: &[Self]) -> Result<(), (String, String)> {
        layers.iter().enumerate().try_for_each(|(i, layer)| below(&i.to_string(), layer.check()))
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
            let inner = match layer {
                Self::Residual { layers, shortcut, .. } => match rest.strip_prefix("shortcut.") {
                    Some(rest) => Self::key_of(shortcut, rest).map(|key| format!("shortcut.{key}")),
                    None => Self::key_of(layers, rest).map(|key| format!("layers.{key}")),
                },
                Self::Concat { branches } => branches.iter().enumerate().find_map(|(b, branch)| {
                    let rest = rest.strip_prefix(&format!("branch{}.", b + 1))?;
                    Some(format!("branches.{b}.{}", Self::key_of(branch, rest)?))
                }),
                _ => None,
            };
            return Some(inner.map_or(i.to_string(), |inner| format!("{i}.{inner}")));
        }
        None
    }

    fn check(&self) -> Result<(), Wrong> {
        match self {
            Self::Conv2d {
                out_channels,
                kernel_size,
                stride,
                dilation,
                groups,
                init,
                bias_init,
                ..
            } => {
                between("out_channels", *out_channels, MOST_CHANNELS)?;
                between("groups", *groups, MOST_CHANNELS)?;
                pair("kernel_size", *kernel_size)?;
                pair("stride", *stride)?;
                pair("dilation", *dilation)?;
                check_inits(*init, *bias_init)
            }
            // Zero units stand for the number of classes; recipes cannot give it.
            Self::Dense { units, init, bias_init, .. } => {
                between("units", (*units).max(1), MOST_CHANNELS)?;
                check_inits(*init, *bias_init)
            }
            Self::MaxPool2d { window, stride, .. } | Self::AvgPool2d { window, stride, .. } => {
                pair("window", *window)?;
                stride.map_or(Ok(()), |stride| pair("stride", stride))
            }
            Self::AdaptiveAvgPool2d { output } => pair("output", *output),
            Self::BatchNorm { momentum, epsilon, .. } => {
                within("momentum", (0.0..=1.0).contains(momentum), "lie in [0, 1]", *momentum)?;
                let positive = epsilon.is_finite() && *epsilon >= f32::MIN_POSITIVE;
                let what = "be above 0 (1.2e-38 or more) and finite, or a channel of one value \
                            divides by zero";
                within("epsilon", positive, what, *epsilon)
            }
            Self::Dropout { rate } => {
                within("rate", (0.0..1.0).contains(rate), "lie in [0, 1)", *rate)
            }
            Self::LocalResponseNorm { form, size, alpha, beta, k } => {
                let op = form.op(*size, *alpha, *beta, *k);
                let pixel = TensorType::f32([1, 1, 1, 1]);
                let checked = op.infer(std::slice::from_ref(&pixel)).map(|_| ());
                checked.map_err(|error| {
                    let key = if error.message.starts_with("size") { "size" } else { "alpha" };
                    (key.to_owned(), error.message)
                })
            }
            Self::Residual { layers, shortcut, .. } => {
                below("layers", Self::check_all(layers))?;
                below("shortcut", Self::check_all(shortcut))
            }
            Self::Concat { branches } => branches.iter().enumerate().try_for_each(|(i, branch)| {
                below(&format!("branches.{i}"), Self::check_all(branch))
            }),
            Self::GlobalAvgPool2d {} | Self::Flatten {} | Self::Activation { .. } => Ok(()),
        }
    }
}

/// Puts a key in front.
fn below(outer: &str, checked: Result<(), Wrong>) -> Result<(), Wrong> {
    checked.map_err(|(key, message)| (format!("{outer}.{key}"), message))
}

fn within(key: &str, fits: bool, what: &str, given: f32) -> Result<(), Wrong> {
    if fits { Ok(()) } else { Err((key.to_owned(), format!("must {what}, it is {given}"))) }
}

fn between(key: &str, given: usize, most: usize) -> Result<(), Wrong> {
    if (1..=most).contains(&given) {
        return Ok(());
    }
    Err((key.to_owned(), format!("must lie in [1, {most}], it is {given}")))
}

fn pair(key: &str, pair: Pair) -> Result<(), Wrong> {
    pair.dims().into_iter().try_for_each(|n| between(key, n, MOST_EXTENT))
}

fn check_inits(init: Init, bias_init: Init) -> Result<(), Wrong> {
    for (key, init) in [("init", init), ("bias_init", bias_init)] {
        let (given, fits, what) = match init {
            Init::Normal(x) | Init::TruncatedNormal(x) | Init::Uniform(x) => {
                (x, x.is_finite() && x >= 0.0, "be finite and not negative")
            }
            Init::Constant(x) => (x, x.is_finite(), "be finite"),
            _ => continue,
        };
        within(key, fits, what, given)?;
    }
    Ok(())
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
}
