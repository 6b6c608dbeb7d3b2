//! What PyTorch calls a model's tensors, and which of them it lays out otherwise.

use std::collections::BTreeMap;

use super::entry::Entry;
use super::error::ExchangeError;
use super::layout::Layout;
use crate::graph::Graph;
use crate::nn::{Layer, Mode, ModelBuilder, ModelConfig};
use crate::tensor::{Shape, TensorType};
use crate::train::ModelPrograms;

/// All parameters, then all states, in the order of the layers.
pub(in crate::train) fn entries(
    config: Option<&ModelConfig>,
    model: &ModelPrograms,
) -> Result<Vec<Entry>, ExchangeError> {
    let images = flattened_images(model)?;
    let modules = modules(config, model)?;
    let parameters = model.parameters.iter().map(|p| (&p.name, &p.shape));
    let states = model.states.iter().map(|s| (&s.name, &s.shape));
    let entry = |(name, shape): (&String, &Shape)| {
        let (layer, part) = split(name);
        let module = modules.get(layer).map_or(layer, String::as_str);
        let part = if part == "running_variance" { "running_var" } else { part };
        Entry {
            ours: name.clone(),
            theirs: format!("{module}.{part}"),
            layout: layout(shape, part, images.get(layer).copied()),
            shape: shape.clone(),
        }
    };
    Ok(parameters.chain(states).map(entry).collect())
}

/// `residual1.conv2.weight` as layer and part.
fn split(name: &str) -> (&str, &str) {
    name.rsplit_once('.').unwrap_or(("", name))
}

fn layout(shape: &Shape, part: &str, image: Option<[usize; 3]>) -> Layout {
    match (shape.dims(), image) {
        (&[_, _, _, _], _) => Layout::permuted(shape, &[3, 2, 0, 1]),
        (&[_, out], Some(image)) => Layout::dense_of_image(shape, image, out),
        (&[_, _], None) => Layout::permuted(shape, &[1, 0]),
        // The bias of the dense layer itself has one number per unit, not per feature.
        (&[n], Some(image)) if part != "bias" || n == image.iter().product::<usize>() => {
            Layout::vector_of_image(shape, image)
        }
        _ => Layout::same(shape),
    }
}

/// PyTorch's module for each of our layers that has parameters, where the model has such names.
fn modules(
    config: Option<&ModelConfig>,
    model: &ModelPrograms,
) -> Result<BTreeMap<String, String>, ExchangeError> {
    let Some(config) = config else { return Ok(BTreeMap::new()) };
    let mut layers: Vec<&str> = model.parameters.iter().map(|p| split(&p.name).0).collect();
    layers.dedup();
    let modules = config.plan().modules;
    if layers.len() != modules.len() {
        let (ours, theirs) = (layers.len(), modules.len());
        let message = format!("there are {ours} of them with parameters, PyTorch has {theirs}");
        return Err(ExchangeError::Model(message));
    }
    Ok(layers.into_iter().map(str::to_owned).zip(modules).collect())
}

/// The image `[h, w, c]` whose flattened features a layer takes, by the layer's name: up to the
/// first dense layer behind a flatten layer.
fn flattened_images(model: &ModelPrograms) -> Result<BTreeMap<String, [usize; 3]>, ExchangeError> {
    let mut graph = Graph::default();
    let x = graph.source("x", TensorType::f32([&[1], model.input()].concat()));
    let mut builder = ModelBuilder::new(&mut graph, Mode::Evaluate, None);
    builder.layers(model.layers(), x)?;
    let outputs = builder.outputs().to_vec();

    let mut images = BTreeMap::new();
    let (mut incoming, mut flattened) = (x, None);
    for (layer, (name, output)) in model.layers().iter().zip(outputs) {
        match (layer, graph.ty(incoming).dims()) {
            (Layer::Flatten(_), &[_, h, w, c]) => flattened = Some([h, w, c]),
            (Layer::Dense(_), _) => {
                if let Some(image) = flattened.take() {
                    images.insert(name, image);
                }
            }
            (Layer::BatchNorm(_), _) => {
                if let Some(image) = flattened {
                    images.insert(name, image);
                }
            }
            (layer, _) if !layer.branches().is_empty() => refuse(&name, flattened, layer)?,
            _ => {}
        }
        incoming = output;
    }
    Ok(images)
}

/// Branches may neither flatten an image nor take a flattened one.
fn refuse(name: &str, flattened: Option<[usize; 3]>, layer: &Layer) -> Result<(), ExchangeError> {
    if flattened.is_none() && !flattens(layer) {
        return Ok(());
    }
    Err(ExchangeError::Model(format!(
        "{name} has branches over a flattened image, whose features PyTorch orders otherwise; \
         flatten behind it, in front of a dense layer"
    )))
}

fn flattens(layer: &Layer) -> bool {
    let mut inner = layer.branches().into_iter().flat_map(|branch| branch.layers);
    matches!(layer, Layer::Flatten(_)) || inner.any(flattens)
}
