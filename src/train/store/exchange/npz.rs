//! NPZ files of NumPy: a zip file of arrays.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::ExchangeError;
use super::given::Given;
use super::npy::{array, bytes_of};
use super::zip::{Entry, archive, entries};
use crate::tensor::HostTensor;
use crate::train::store::files::write_atomically;

/// Writes f32 tensors as an uncompressed NPZ file: `numpy.load` gives them by name. The same
/// tensors give the same bytes.
///
/// # Errors
/// When the file cannot be written.
pub fn write_npz(path: &Path, tensors: &[(String, HostTensor)]) -> Result<(), ExchangeError> {
    let fail = |problem: String| ExchangeError::Format { path: path.to_owned(), problem };
    let entries: Vec<Entry> =
        tensors.iter().map(|(name, tensor)| (format!("{name}.npy"), bytes_of(tensor))).collect();
    let bytes = archive(&entries).map_err(|error| fail(error.to_string()))?;
    Ok(write_atomically(path, &bytes)?)
}

/// The arrays of an NPZ file, compressed or not, by name.
///
/// # Errors
/// When the file is damaged, or has a name twice.
pub(super) fn arrays_of(
    path: &Path,
    bytes: &[u8],
) -> Result<BTreeMap<String, Given>, ExchangeError> {
    let fail = |problem: String| ExchangeError::Format { path: path.to_owned(), problem };
    let mut arrays = BTreeMap::new();
    for (name, content) in entries(bytes).map_err(|error| fail(format!("no NPZ file: {error}")))? {
        let name = name.strip_suffix(".npy").unwrap_or(&name).to_owned();
        let given = array(&content).map_err(|problem| fail(format!("{name}: {problem}")))?;
        if arrays.insert(name.clone(), given).is_some() {
            return Err(fail(format!("array {name} is there twice: expected each name once")));
        }
    }
    Ok(arrays)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read(path: &Path) -> Result<BTreeMap<String, Given>, ExchangeError> {
        arrays_of(path, &fs::read(path).expect("a file"))
    }

    fn sample() -> Vec<(String, HostTensor)> {
        let tensor = |dims: &[usize], values: &[f32]| {
            HostTensor::from_f32(dims.to_vec(), values).expect("the counts agree")
        };
        vec![
            ("conv1.weight".to_owned(), tensor(&[1, 2, 3], &[0.5, -1.0, 2.0, f32::MIN, 7.0, -0.0])),
            ("conv1.bias".to_owned(), tensor(&[2], &[f32::NAN, f32::INFINITY])),
            ("scale".to_owned(), tensor(&[], &[3.0])),
        ]
    }

    #[test]
    fn a_round_trip_keeps_every_bit_and_every_file_is_the_same() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("w.npz");
        write_npz(&path, &sample()).expect("it can be written");
        let loaded = read(&path).expect("what was written can be read");
        assert_eq!(loaded.len(), 3);
        for (name, tensor) in sample() {
            let Given::Floats(loaded) = &loaded[&name] else { unreachable!("floats") };
            assert_eq!((loaded.ty(), loaded.words()), (tensor.ty(), tensor.words()));
        }
        let again = folder.path().join("again.npz");
        write_npz(&again, &sample()).expect("it can be written");
        assert!(fs::read(path).expect("a file") == fs::read(again).expect("a file"));
    }

    #[test]
    fn damage_is_an_error_and_never_a_panic() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("w.npz");
        write_npz(&path, &sample()).expect("it can be written");
        let whole = fs::read(&path).expect("it was written");
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).expect("a shorter file");
            let error = read(&path).expect_err("a cut file has no weights");
            assert!(error.to_string().contains("w.npz"), "{error}");
        }
        for position in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[position] ^= 0x15;
            fs::write(&path, &bytes).expect("a damaged file");
            let _ = read(&path);
        }
    }

    /// `w` and `w.npy` are two files in the archive, and one name.
    #[test]
    fn one_name_with_and_without_its_ending_is_an_error() {
        let content = bytes_of(&sample()[2].1);
        let entry = |name: &str| (name.to_owned(), content.clone());
        let file = archive(&[entry("w"), entry("w.npy")]).expect("into memory");
        let error = arrays_of(Path::new("w.npz"), &file).expect_err("twice").to_string();
        assert!(error.contains("w.npz: array w is there twice"), "{error}");
    }
}
