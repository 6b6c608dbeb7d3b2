//! Where layers and their tensors lie in an HDF5 file of Keras, in both of its layouts.

use std::collections::BTreeMap;

use ::hdf5_pure::Group;

use super::hdf5::{Hdf5, damaged, texts};
use super::layers::{KerasLayer, KerasLayers};
use crate::train::store::exchange::given::Given;

/// The attribute in which the older layout lists the layers.
pub(super) const LAYER_NAMES: &str = "layer_names";
/// The attribute in which the older layout lists the tensors of a layer.
pub(super) const WEIGHT_NAMES: &str = "weight_names";
/// The group of a layer's tensors in the newer layout.
pub(super) const VARS: &str = "vars";
/// The groups of a model's layers in the newer layout, today and up to Keras 2.13.
pub(super) const LAYERS: [&str; 2] = ["layers", "_layer_checkpoint_dependencies"];
/// Groups beside the layers of a model of a class of its own.
const BESIDE: [&str; 3] = ["optimizer", "optimizer_weights", "metrics"];

type Tensors = BTreeMap<String, Given>;

/// All tensors, and the layers that they belong to.
pub(super) fn read(bytes: Vec<u8>) -> Result<(Tensors, KerasLayers), String> {
    let mut file = Hdf5::open(bytes)?;
    let root = file.root();
    let mut tensors = Tensors::new();
    // `save_weights` writes the list into the root, `save` into a group beside that of the optimizer.
    let whole = root.group("model_weights").ok();
    let legacy = match (texts(&root, LAYER_NAMES)?, whole) {
        (Some(names), _) => Some((root.clone(), names)),
        (None, Some(group)) => texts(&group, LAYER_NAMES)?.map(|names| (group, names)),
        (None, None) => None,
    };
    let layers = match legacy {
        Some((group, names)) => by_lists(&mut file, &group, &names, &mut tensors)?,
        None => by_groups(&mut file, &root, &mut tensors)?,
    };
    if tensors.is_empty() {
        return Err("it holds no layer with weights: expected what model.save_weights of Keras \
                    writes"
            .to_owned());
    }
    Ok((tensors, layers))
}

/// The older layout. A layer that is a model of its own lists what is trained of all its layers, then the
/// rest: tensors go together by what their names have in front.
fn by_lists(
    file: &mut Hdf5,
    group: &Group,
    names: &[String],
    tensors: &mut Tensors,
) -> Result<KerasLayers, String> {
    let mut layers: Vec<KerasLayer> = Vec::new();
    for outer in names {
        let group = group.group(outer).map_err(|error| format!("{outer}: {}", damaged(&error)))?;
        let first = layers.len();
        for weight in texts(&group, WEIGHT_NAMES)?.unwrap_or_default() {
            let array = group.dataset(&weight);
            let given = array.map_err(|error| damaged(&error)).and_then(|array| file.given(&array));
            let name = format!("{outer}/{weight}");
            let given = given.map_err(|problem| format!("{name}: {problem}"))?;
            let (path, _) = name.rsplit_once('/').unwrap_or((outer, ""));
            let layer = layers[first..].iter().position(|layer| layer.path == path);
            let layer = layer.map_or(layers.len(), |at| first + at);
            if layer == layers.len() {
                let called = path.rsplit('/').next().unwrap_or(outer);
                layers.push(KerasLayer {
                    path: path.to_owned(),
                    name: Some(called.to_owned()),
                    tensors: Vec::new(),
                });
            }
            layers[layer].tensors.push(name.clone());
            insert(tensors, name, given)?;
        }
    }
    Ok(KerasLayers { layers, in_order: true })
}

/// The newer layout: each object has a group, and its tensors a group `vars` in it.
fn by_groups(file: &mut Hdf5, root: &Group, tensors: &mut Tensors) -> Result<KerasLayers, String> {
    let mut layers = Vec::new();
    let all = file.groups(root, "")?;
    let is_model = |name: &str| LAYERS.contains(&name);
    let has_layers = all.iter().any(|(name, _)| is_model(name));
    let is_meant = |name: &str| if has_layers { is_model(name) } else { !BESIDE.contains(&name) };
    let mut waiting: Vec<(String, Group)> =
        all.into_iter().filter(|(name, _)| is_meant(name)).rev().collect();
    while let Some((path, group)) = waiting.pop() {
        // From the last one on, so that they are taken in their order.
        for (name, inner) in file.groups(&group, &path)?.into_iter().rev() {
            if name != VARS {
                waiting.push((format!("{path}/{name}"), inner));
                continue;
            }
            let (mut found, mut has_weights) = (Vec::new(), false);
            for (name, array) in file.arrays(&inner, &path)? {
                let name = format!("{path}/{VARS}/{name}");
                let given = file.given(&array).map_err(|problem| format!("{name}: {problem}"))?;
                found.push(name.clone());
                has_weights |= matches!(given, Given::Floats(_));
                insert(tensors, name, given)?;
            }
            // Generators of random numbers have counters only.
            if has_weights {
                let name = texts(&inner, "name")?.and_then(|names| names.into_iter().next());
                layers.push(KerasLayer { path: path.clone(), name, tensors: found });
            }
        }
    }
    Ok(KerasLayers { layers, in_order: false })
}

fn insert(tensors: &mut Tensors, name: String, given: Given) -> Result<(), String> {
    match tensors.insert(name.clone(), given) {
        None => Ok(()),
        Some(_) => Err(format!("{name} is there twice: expected each name once")),
    }
}
