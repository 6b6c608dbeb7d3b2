//! Weight files: named f32 tensors as safetensors, written atomically, read defensively.
//!
//! The header is written here rather than by the `safetensors` crate, which keeps metadata in a
//! hash map: the same weights must give the same file, byte for byte. Format:
//! <https://github.com/huggingface/safetensors#format>.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::path::{Path, PathBuf};

use bytemuck::pod_collect_to_vec;
use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, TensorInfo};
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::files::{FileError, write_parts_atomically};
use super::formats::other_format;
use crate::input::{self, MOST_OF_WEIGHTS};
use crate::tensor::{DType, HostTensor};

/// Key under which a safetensors header keeps its metadata.
const METADATA_KEY: &str = "__metadata__";

/// Key of the metadata under which a file says what its weights hash to.
pub(in crate::train) const HASH_KEY: &str = "verigrad_sha256";

/// Key of the metadata under which a file keeps the names of the classes, as a JSON list.
pub const CLASSES_KEY: &str = "classes";

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
    /// The file is of another format.
    #[error("{}: {what}", path.display())]
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// What it is, what was expected, and what to do.
        what: String,
    },
    /// Two tensors of a file have one name.
    #[error(
        "{}: tensor {name} is there twice: expected each name once; write the file again",
        path.display()
    )]
    NameTwice {
        /// The file.
        path: PathBuf,
        /// The name.
        name: String,
    },
    /// The weights are not those that were saved.
    #[error(
        "{}: these are not the weights that were saved: their SHA-256 is {found}, {by} says \
         {expected}; restore the file from a copy, or train again", path.display()
    )]
    Changed {
        /// The file.
        path: PathBuf,
        /// What says what they should be.
        by: String,
        /// The SHA-256 that they should have.
        expected: String,
        /// The one that they have.
        found: String,
    },
    /// A weight is NaN or infinite.
    #[error(
        "{}: {count} of the weights are no finite numbers; the first is {value} in {name}, element \
         {element}: the model diverged or the file is damaged; take other weights, or train again \
         with a lower learning rate", path.display()
    )]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The first tensor that has one.
        name: String,
        /// Its first element that is one, in row-major order.
        element: usize,
        /// The element.
        value: f32,
        /// How many there are in all tensors.
        count: usize,
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
/// bytes; tensors are stored in the order of their names. Under `verigrad_sha256`, the metadata say
/// what the tensors hash to, so that [`load_weights`] finds out any bit that has changed.
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
    let mut metadata = metadata.clone();
    metadata.insert(HASH_KEY.to_owned(), sha256_of(sorted.iter().map(|(name, t)| (*name, *t))));
    let stored = sorted
        .iter()
        .map(|(&name, tensor)| Stored {
            name,
            dtype: Dtype::F32,
            shape: tensor.ty().dims().to_vec(),
            bytes: tensor.bytes(),
        })
        .collect::<Vec<_>>();
    save_stored(path, &stored, &metadata)
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
/// When the file cannot be read, is cut short or damaged, holds a tensor that is not f32, or does not
/// have the SHA-256 that its metadata tell.
pub fn load_weights(path: &Path) -> Result<BTreeMap<String, HostTensor>, WeightsError> {
    let bytes = read_file(path)?;
    let tensors = tensors_of(path, &bytes)?;
    let named = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor));
    check_own_hash(path, &metadata_of(&bytes), named)?;
    Ok(tensors)
}

/// The metadata of a safetensors file; empty where there are none.
///
/// # Errors
/// When the file cannot be read.
pub fn weights_metadata(path: &Path) -> Result<BTreeMap<String, String>, FileError> {
    Ok(metadata_of(&read_file(path)?))
}

/// The tensors of a safetensors file, each of which has a name of its own.
///
/// # Errors
/// When it is of another format, which is named, is cut short or damaged, or has a name twice.
pub(crate) fn open_safetensors<'a>(
    path: &Path,
    bytes: &'a [u8],
) -> Result<SafeTensors<'a>, WeightsError> {
    if let Some(what) = other_format(bytes) {
        return Err(WeightsError::OtherFormat { path: path.to_owned(), what });
    }
    let malformed = |source| WeightsError::Malformed { path: path.to_owned(), source };
    let file = SafeTensors::deserialize(bytes).map_err(malformed)?;
    match name_given_twice(bytes) {
        Some(name) => Err(WeightsError::NameTwice { path: path.to_owned(), name }),
        None => Ok(file),
    }
}

/// A key that the header has twice: its reader would keep the last one without a word.
fn name_given_twice(bytes: &[u8]) -> Option<String> {
    let length = u64::from_le_bytes(*bytes.first_chunk()?);
    let header = bytes.get(8..)?.get(..usize::try_from(length).ok()?)?;
    let Keys(mut keys) = serde_json::from_slice(header).ok()?;
    keys.sort_unstable();
    keys.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0].clone())
}

/// The keys of a JSON object, with those that come more than once.
struct Keys(Vec<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Keys;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some((key, IgnoredAny)) = map.next_entry()? {
                    keys.push(key);
                }
                Ok(Keys(keys))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// Demands the SHA-256 that the metadata of a file tell, where they do.
///
/// # Errors
/// Names both.
pub(in crate::train) fn check_own_hash<'a>(
    path: &Path,
    metadata: &BTreeMap<String, String>,
    tensors: impl Iterator<Item = (&'a str, &'a HostTensor)>,
) -> Result<(), WeightsError> {
    let Some(expected) = metadata.get(HASH_KEY) else { return Ok(()) };
    check_hash(path, "its header", expected, sha256_of(tensors))
}

fn read_file(path: &Path) -> Result<Vec<u8>, FileError> {
    input::read(path, MOST_OF_WEIGHTS).map_err(FileError::of("read the weights", path))
}

pub(in crate::train) fn metadata_of(bytes: &[u8]) -> BTreeMap<String, String> {
    let header = SafeTensors::read_metadata(bytes).ok();
    let metadata = header.and_then(|(_, header)| header.metadata().clone());
    metadata.unwrap_or_default().into_iter().collect()
}

/// Demands the SHA-256 that `by` says.
///
/// # Errors
/// Names both.
pub fn check_hash(
    path: &Path,
    by: &str,
    expected: &str,
    found: String,
) -> Result<(), WeightsError> {
    if expected == found {
        return Ok(());
    }
    let (path, by, expected) = (path.to_owned(), by.to_owned(), expected.to_owned());
    Err(WeightsError::Changed { path, by, expected, found })
}

/// Demands that every weight of a file is a finite number.
///
/// # Errors
/// Names the first one that is not, and how many there are.
pub fn check_finite(
    path: &Path,
    tensors: &BTreeMap<String, HostTensor>,
) -> Result<(), WeightsError> {
    let mut first = None;
    let mut count = 0;
    for (name, tensor) in tensors {
        for (element, &value) in tensor.f32s().iter().enumerate().filter(|(_, v)| !v.is_finite()) {
            first.get_or_insert((name, element, value));
            count += 1;
        }
    }
    let Some((name, element, value)) = first else { return Ok(()) };
    let (path, name) = (path.to_owned(), name.clone());
    Err(WeightsError::NotFinite { path, name, element, value, count })
}

fn tensors_of(path: &Path, bytes: &[u8]) -> Result<BTreeMap<String, HostTensor>, WeightsError> {
    let malformed = |source| WeightsError::Malformed { path: path.to_owned(), source };
    let file = open_safetensors(path, bytes)?;
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
    sha256_of(tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)))
}

fn sha256_of<'a>(tensors: impl Iterator<Item = (&'a str, &'a HostTensor)>) -> String {
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
mod tests;
