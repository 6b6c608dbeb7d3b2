//! A file of weights, of ours or of another program, before it is matched with a model.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::error::ExchangeError;
use super::given::Given;
use super::keras::{self, KerasLayers};
use super::zip::is_zip_with;
use super::{npz, safetensors, torch};
use crate::input::{self, MOST_OF_WEIGHTS};
use crate::tensor::HostTensor;
use crate::train::store::files::FileError;
use crate::train::store::weights::{CLASSES_KEY, HASH_KEY, check_own_hash, metadata_of};

/// Whose names and layouts a file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileLayout {
    /// Ours.
    Own,
    /// Those of PyTorch.
    Torch,
    /// Layouts of ours; layers by their order in Keras.
    Keras,
}

/// A file of weights: safetensors, NPZ of NumPy, a state dict as `torch.save` writes it, or what Keras saves.
#[derive(Debug, Clone)]
pub struct WeightFile {
    path: PathBuf,
    pub(super) tensors: BTreeMap<String, Given>,
    metadata: BTreeMap<String, String>,
    is_npz: bool,
    pub(super) keras: Option<KerasLayers>,
}

impl WeightFile {
    /// Reads a file; its content tells the format. Where its metadata tell a SHA-256, as they do in files
    /// of ours, the tensors must have it.
    ///
    /// # Errors
    /// When the file cannot be read, is of another format (which is named), is damaged, or has a name
    /// twice.
    pub fn read(path: &Path) -> Result<Self, ExchangeError> {
        let bytes =
            input::read(path, MOST_OF_WEIGHTS).map_err(FileError::of("read the weights", path))?;
        if keras::is_keras(&bytes) {
            let (tensors, layers) = keras::read(path, bytes)?;
            let (path, metadata) = (path.to_owned(), BTreeMap::new());
            return Ok(Self { path, tensors, metadata, is_npz: false, keras: Some(layers) });
        }
        let is_npz = is_zip_with(&bytes, b".npy");
        let (tensors, metadata) = if is_npz {
            (npz::arrays_of(path, &bytes)?, BTreeMap::new())
        } else if torch::is_torch(&bytes) {
            (torch::tensors_of(path, &bytes)?, BTreeMap::new())
        } else {
            (safetensors::tensors_of(path, &bytes)?, metadata_of(&bytes))
        };
        let floats = tensors.iter().filter_map(|(name, given)| match given {
            Given::Floats(tensor) => Some((name.as_str(), tensor)),
            Given::Other { .. } => None,
        });
        check_own_hash(path, &metadata, floats)?;
        Ok(Self { path: path.to_owned(), tensors, metadata, is_npz, keras: None })
    }

    /// Weights that were read otherwise.
    pub(super) fn of(tensors: BTreeMap<String, HostTensor>) -> Self {
        let tensors = tensors.into_iter().map(|(name, tensor)| (name, Given::Floats(tensor)));
        let (path, metadata) = (PathBuf::new(), BTreeMap::new());
        Self { path, tensors: tensors.collect(), metadata, is_npz: false, keras: None }
    }

    /// Where it was read.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names and layouts are ours in NPZ files, which have Keras' layouts, and where the metadata tell
    /// that we wrote them so, and Keras' in its files; else those of PyTorch, as in what `weights export`
    /// writes for it.
    pub fn layout(&self) -> FileLayout {
        let has = |key: &str| self.metadata.contains_key(key);
        let is_torch = self.metadata.get("format").is_some_and(|format| format == "pt");
        // The keys but the first are of files that older versions wrote.
        let is_ours = has(HASH_KEY) || has("layers") || (has("epoch") && has("test_accuracy"));
        if self.keras.is_some() {
            return FileLayout::Keras;
        }
        if self.is_npz || (is_ours && !is_torch) { FileLayout::Own } else { FileLayout::Torch }
    }

    /// Names of the classes that the weights tell apart, where the file has them.
    pub fn classes(&self) -> Option<Vec<String>> {
        serde_json::from_str(self.metadata.get(CLASSES_KEY)?).ok()
    }
}
