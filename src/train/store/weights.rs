//! Weight files: named f32 tensors as safetensors, written atomically, read defensively.
//!
//! The header is written here rather than by the `safetensors` crate, which keeps metadata in a
//! hash map: the same weights must give the same file, byte for byte. Format:
//! <https://github.com/huggingface/safetensors#format>.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use bytemuck::pod_collect_to_vec;
use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, TensorInfo};
use serde::Serialize;
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::files::{FileError, write_parts_atomically};
use crate::input::{self, MOST_OF_WEIGHTS};
use crate::tensor::{DType, HostTensor};

/// Key under which a safetensors header keeps its metadata.
const METADATA_KEY: &str = "__metadata__";

/// Headers are padded with spaces, so that the data that follows is aligned. In bytes.
const HEADER_ALIGNMENT: usize = 8;

/// Why weights cannot be saved or loaded.
#[derive(Debug, Error)]
pub enum WeightsError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not a complete safetensors file.
    #[error(
        "{} is not a complete safetensors file: it was cut short or damaged; use another weight \
         file or train again", path.display()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: SafeTensorError,
    },
    /// A tensor is not f32.
    #[error(
        "{}: tensor {name} holds {found}, weights must be f32; convert the file", path.display()
    )]
    NotFloat {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its element type.
        found: String,
    },
    /// Two tensors have one name, or one has the name that the format keeps for itself.
    #[error("{}: cannot save two tensors called {name}; rename one", path.display())]
    NameTaken {
        /// The file.
        path: PathBuf,
        /// The name.
        name: String,
    },
    /// The header cannot be written as JSON.
    #[error("{}: the header cannot be written", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: serde_json::Error,
    },
}

/// One entry of the header.
#[derive(Serialize)]
#[serde(untagged)]
enum HeaderEntry<'a> {
    Metadata(&'a BTreeMap<String, String>),
    Tensor(TensorInfo),
}

/// Saves f32 tensors of any shape, with metadata, as safetensors. The same arguments give the same
/// bytes; tensors are stored in the order of their names.
///
/// # Errors
/// When a tensor is not f32, two have one name, or the file cannot be written. `path` then holds
/// what it held before.
pub fn save_weights(
    path: &Path,
    tensors: &[(String, HostTensor)],
    metadata: &BTreeMap<String, String>,
) -> Result<(), WeightsError> {
    let sorted = sorted_by_name(path, tensors)?;
    let stored = sorted
        .iter()
        .map(|(&name, tensor)| Stored {
            name,
            dtype: Dtype::F32,
            shape: tensor.ty().dims().to_vec(),
            bytes: tensor.bytes(),
        })
        .collect::<Vec<_>>();
    save_stored(path, &stored, metadata)
}

/// A tensor as a safetensors file stores it.
#[derive(Debug)]
pub(crate) struct Stored<'a> {
    /// Name.
    pub name: &'a str,
    /// Element type.
    pub dtype: Dtype,
    /// Shape.
    pub shape: Vec<usize>,
    /// Elements, little-endian.
    pub bytes: &'a [u8],
}

/// Saves tensors in the order given.
pub(crate) fn save_stored(
    path: &Path,
    tensors: &[Stored<'_>],
    metadata: &BTreeMap<String, String>,
) -> Result<(), WeightsError> {
    let mut header = BTreeMap::from([(METADATA_KEY, HeaderEntry::Metadata(metadata))]);
    let mut end = 0;
    for &Stored { name, dtype, ref shape, bytes } in tensors {
        let start = end;
        end += bytes.len();
        let info = TensorInfo { dtype, shape: shape.clone(), data_offsets: (start, end) };
        if header.insert(name, HeaderEntry::Tensor(info)).is_some() {
            return Err(WeightsError::NameTaken { path: path.to_owned(), name: name.to_owned() });
        }
    }
    let mut header = serde_json::to_vec(&header)
        .map_err(|source| WeightsError::Header { path: path.to_owned(), source })?;
    header.resize(header.len().next_multiple_of(HEADER_ALIGNMENT), b' ');
    let length = (header.len() as u64).to_le_bytes();
    let mut parts: Vec<&[u8]> = vec![&length, &header];
    parts.extend(tensors.iter().map(|tensor| tensor.bytes));
    Ok(write_parts_atomically(path, &parts)?)
}

/// The tensors by name, every one of them f32 and named once.
fn sorted_by_name<'a>(
    path: &Path,
    tensors: &'a [(String, HostTensor)],
) -> Result<BTreeMap<&'a str, &'a HostTensor>, WeightsError> {
    let mut sorted = BTreeMap::new();
    for (name, tensor) in tensors {
        let (path, name) = (path.to_owned(), name.clone());
        if tensor.ty().dtype != DType::F32 {
            let found = tensor.ty().dtype.to_string();
            return Err(WeightsError::NotFloat { path, name, found });
        }
    }
    for (name, tensor) in tensors {
        if sorted.insert(name.as_str(), tensor).is_some() {
            return Err(WeightsError::NameTaken { path: path.to_owned(), name: name.clone() });
        }
    }
    Ok(sorted)
}

/// Loads the f32 tensors of a safetensors file, by name.
///
/// # Errors
/// When the file cannot be read, is cut short or damaged, or holds a tensor that is not f32.
pub fn load_weights(path: &Path) -> Result<BTreeMap<String, HostTensor>, WeightsError> {
    let bytes =
        input::read(path, MOST_OF_WEIGHTS).map_err(FileError::of("read the weights", path))?;
    let malformed = |source| WeightsError::Malformed { path: path.to_owned(), source };
    let file = SafeTensors::deserialize(&bytes).map_err(malformed)?;
    let mut tensors = BTreeMap::new();
    for (name, view) in file.iter() {
        if view.dtype() != Dtype::F32 {
            let (path, name) = (path.to_owned(), name.to_owned());
            return Err(WeightsError::NotFloat { path, name, found: view.dtype().to_string() });
        }
        // The view is not aligned to four bytes in general: the elements are copied out.
        let values: Vec<f32> = pod_collect_to_vec(view.data());
        let tensor = HostTensor::from_f32(view.shape(), &values)
            .map_err(|_| malformed(SafeTensorError::TensorInvalidInfo))?;
        tensors.insert(name.to_owned(), tensor);
    }
    Ok(tensors)
}

/// The SHA-256, in hexadecimal, of names, shapes and elements in the order given. Metadata has no
/// part in it, so two runs with the same weights have the same hash.
#[must_use]
pub fn sha256_of_weights(tensors: &[(String, HostTensor)]) -> String {
    let mut hash = Sha256::new();
    for (name, tensor) in tensors {
        // Every field begins with its length: no two lists of tensors give the same text.
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
        hash.update((tensor.ty().dims().len() as u64).to_le_bytes());
        for &dim in tensor.ty().dims() {
            hash.update((dim as u64).to_le_bytes());
        }
        hash.update(tensor.ty().dtype.to_string());
        hash.update(tensor.bytes());
    }
    hexadecimal(hash)
}

/// What a hash came to, in hexadecimal.
pub(in crate::train) fn hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing into a string cannot fail");
        text
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn sample() -> Vec<(String, HostTensor)> {
        let tensor = |dims: Vec<usize>, values: &[f32]| {
            HostTensor::from_f32(dims, values).expect("the sample's counts agree")
        };
        vec![
            ("conv1.weight".to_owned(), tensor(vec![1, 1, 2, 2], &[0.5, -1.0, f32::MIN, 3.25])),
            ("conv1.bias".to_owned(), tensor(vec![2], &[f32::NAN, f32::INFINITY])),
            ("scale".to_owned(), tensor(vec![], &[7.0])),
            ("empty".to_owned(), tensor(vec![0, 3], &[])),
        ]
    }

    fn metadata() -> BTreeMap<String, String> {
        (0..20).map(|i| (format!("key {i}"), format!("\"value\" {i}\n"))).collect()
    }

    fn saved(folder: &Path) -> PathBuf {
        let path = folder.join("w.safetensors");
        save_weights(&path, &sample(), &metadata()).expect("the sample can be saved");
        path
    }

    #[test]
    fn a_round_trip_keeps_every_bit() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let loaded = load_weights(&saved(folder.path())).expect("what was saved can be loaded");
        assert_eq!(loaded.len(), 4);
        for (name, tensor) in sample() {
            assert_eq!(loaded[&name].ty(), tensor.ty());
            assert_eq!(loaded[&name].words(), tensor.words());
        }
    }

    #[test]
    fn the_same_weights_give_the_same_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let first = fs::read(saved(folder.path())).expect("it was saved");
        let mut reversed = sample();
        reversed.reverse();
        let path = folder.path().join("again");
        save_weights(&path, &reversed, &metadata()).expect("the sample can be saved");
        assert!(first == fs::read(path).expect("it was saved"), "the files differ");
    }

    #[test]
    fn other_readers_find_the_metadata() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let bytes = fs::read(saved(folder.path())).expect("it was saved");
        let (_, header) = SafeTensors::read_metadata(&bytes).expect("a valid header");
        let found: BTreeMap<_, _> =
            header.metadata().clone().expect("metadata").into_iter().collect();
        assert_eq!(found, metadata());
    }

    #[test]
    fn a_file_cut_anywhere_is_an_error() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let whole = fs::read(saved(folder.path())).expect("it was saved");
        let path = folder.path().join("cut");
        for len in 0..whole.len() {
            fs::write(&path, &whole[..len]).expect("a shorter file");
            let error = load_weights(&path).expect_err("a cut file has no weights");
            assert!(error.to_string().contains("cut short"), "{error}");
        }
    }

    #[test]
    fn damage_anywhere_never_panics() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let whole = fs::read(saved(folder.path())).expect("it was saved");
        let path = folder.path().join("damaged");
        for position in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[position] ^= 0x15;
            fs::write(&path, &bytes).expect("a damaged file");
            let _ = load_weights(&path);
        }
        fs::write(&path, u64::MAX.to_le_bytes()).expect("a damaged file");
        load_weights(&path).expect_err("the header would be larger than memory");
    }

    #[test]
    fn tensors_of_another_type_are_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("w.safetensors");
        let tensor = HostTensor::from_u32([1], &[1]).expect("one value");
        let error = save_weights(&path, &[("step".to_owned(), tensor)], &BTreeMap::new())
            .expect_err("integers are no weights");
        assert!(error.to_string().contains("step holds u32"), "{error}");
        assert!(!path.exists());

        let mut bytes = b"\x38\0\0\0\0\0\0\0".to_vec();
        bytes.extend(br#"{"half":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}}"#);
        bytes[0] = u8::try_from(bytes.len() - 8).expect("a short header");
        bytes.extend([0, 0]);
        fs::write(&path, &bytes).expect("a file");
        let error = load_weights(&path).expect_err("half floats are not supported");
        assert!(error.to_string().contains("half holds F16"), "{error}");
    }

    #[test]
    fn names_must_be_unique_and_free() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("w.safetensors");
        let mut twice = sample();
        twice.push(twice[0].clone());
        save_weights(&path, &twice, &BTreeMap::new()).expect_err("one name, two tensors");
        let mut reserved = sample();
        METADATA_KEY.clone_into(&mut reserved[0].0);
        save_weights(&path, &reserved, &BTreeMap::new()).expect_err("the format's own name");
        assert!(!path.exists());
    }

    #[test]
    fn the_hash_sees_names_shapes_elements_and_order() {
        let base = sha256_of_weights(&sample());
        assert_eq!(base.len(), 64);
        let mut renamed = sample();
        renamed[0].0.push('x');
        let mut reshaped = sample();
        reshaped[0].1 = HostTensor::from_f32([4], reshaped[0].1.f32s()).expect("four values");
        let mut changed = sample();
        changed[0].1.words_mut()[3] ^= 1;
        let mut reordered = sample();
        reordered.swap(0, 1);
        for other in [renamed, reshaped, changed, reordered] {
            assert_ne!(sha256_of_weights(&other), base);
        }
    }
}
