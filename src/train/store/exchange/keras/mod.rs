//! Weights of Keras: `.weights.h5`, `.h5` and `.keras`.
//!
//! Keras has our layouts: images as height, width, channels, convolutions as `[kh, kw, in, out]`, dense
//! weights as `[in, out]`, and the same order of flattened features. Only depthwise kernels have
//! another shape, `[kh, kw, channels, multiplier]` where ours is `[kh, kw, 1, outputs]`, and no number moves.
//! What its files lack is a name for each tensor that a model of ours could have, so that layers are matched
//! by their order among those of a kind.
//!
//! Formats: `saving/saving_lib.py` and `legacy/saving/legacy_h5_format.py` of Keras.

mod config;
mod hdf5;
mod layers;
mod layout;
pub(super) mod matching;
pub(super) mod model;
pub(in crate::train) mod write;

use std::collections::BTreeMap;
use std::path::Path;

use super::error::ExchangeError;
use super::given::Given;
use super::zip::{entries, is_zip_with};
pub(super) use layers::{KerasLayer, KerasLayers};

/// How HDF5 files begin.
const HDF5: &[u8] = b"\x89HDF\r\n\x1a\n";
/// The weights in a `.keras` file.
const WEIGHTS: &str = "model.weights.h5";
/// The layers in a `.keras` file.
const CONFIG: &str = "config.json";

/// Whether a file is one that Keras writes, by its content.
pub(super) fn is_keras(bytes: &[u8]) -> bool {
    bytes.starts_with(HDF5) || is_zip_with(bytes, WEIGHTS.as_bytes())
}

/// The tensors of a file, by name, and the layers that they belong to.
///
/// # Errors
/// When the file is damaged, or holds no layers as Keras writes them.
pub(super) fn read(
    path: &Path,
    bytes: Vec<u8>,
) -> Result<(BTreeMap<String, Given>, KerasLayers), ExchangeError> {
    let read = if bytes.starts_with(HDF5) { layout::read(bytes) } else { of_zip(&bytes) };
    read.map_err(|problem| ExchangeError::Format { path: path.to_owned(), problem })
}

fn of_zip(bytes: &[u8]) -> Result<(BTreeMap<String, Given>, KerasLayers), String> {
    let mut entries = entries(bytes).map_err(|error| format!("no file of Keras: {error}"))?;
    let mut entry = |wanted: &str| {
        let at = entries.iter().position(|(name, _)| name == wanted);
        let absent = || format!("it has no {wanted}: expected what model.save(\"w.keras\") writes");
        at.map(|at| entries.swap_remove(at).1).ok_or_else(absent)
    };
    let paths = config::paths(&entry(CONFIG)?)?;
    let (tensors, mut layers) = layout::read(entry(WEIGHTS)?)?;
    let place = |layer: &KerasLayer| paths.iter().position(|path| *path == layer.path);
    if let Some(unknown) = layers.layers.iter().find(|layer| place(layer).is_none()) {
        return Err(format!(
            "{CONFIG} has no place for {}: expected all layers of a sequential or functional model; \
             model.save(\"w.h5\") writes a file that has their order",
            unknown.path
        ));
    }
    layers.layers.sort_by_key(place);
    layers.in_order = true;
    Ok((tensors, layers))
}

#[cfg(test)]
mod tests;
