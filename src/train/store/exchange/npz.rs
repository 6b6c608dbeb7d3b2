//! NPZ files of NumPy: a zip file of arrays, each in the format of
//! <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.

use std::collections::BTreeMap;
use std::path::Path;

use bytemuck::pod_collect_to_vec;
use half::f16;

use super::error::ExchangeError;
use super::zip::{Entry, archive, entries};
use crate::input::{self, MOST_OF_WEIGHTS};
use crate::tensor::HostTensor;
use crate::train::store::files::{FileError, write_atomically};

/// How an array begins.
const MAGIC: &[u8] = b"\x93NUMPY";
/// The data of an array begin at a multiple of this, in bytes.
const ALIGNMENT: usize = 64;
/// Bytes of magic, version and length of the header.
const PREAMBLE: usize = 10;

/// Writes f32 tensors as an uncompressed NPZ file: `numpy.load` gives them by name. The same
/// tensors give the same bytes.
///
/// # Errors
/// When the file cannot be written.
pub fn write_npz(path: &Path, tensors: &[(String, HostTensor)]) -> Result<(), ExchangeError> {
    let fail = |problem: String| ExchangeError::Format { path: path.to_owned(), problem };
    let entries: Vec<Entry> = tensors
        .iter()
        .map(|(name, tensor)| {
            let header = header(tensor.ty().dims());
            (format!("{name}.npy"), [header.as_slice(), tensor.bytes()].concat())
        })
        .collect();
    let bytes = archive(&entries).map_err(|error| fail(error.to_string()))?;
    Ok(write_atomically(path, &bytes)?)
}

/// Magic, version, and the description of a little-endian f32 array in C order.
fn header(dims: &[usize]) -> Vec<u8> {
    let shape: String = dims.iter().map(|dim| format!("{dim}, ")).collect();
    // A tuple of one needs its comma, longer ones may have it.
    let mut text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({shape}), }}");
    let length = (PREAMBLE + text.len() + 1).next_multiple_of(ALIGNMENT) - PREAMBLE;
    text.push_str(&" ".repeat(length - 1 - text.len()));
    text.push('\n');
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    [MAGIC, &[1, 0], &length.to_le_bytes(), text.as_bytes()].concat()
}

/// The arrays of an NPZ file, compressed or not, by name and as f32. Counters
/// `num_batches_tracked` are left out.
///
/// # Errors
/// When the file cannot be read or is damaged, or holds arrays that are no floats or lie in Fortran
/// order.
pub fn read_npz(path: &Path) -> Result<BTreeMap<String, HostTensor>, ExchangeError> {
    let bytes =
        input::read(path, MOST_OF_WEIGHTS).map_err(FileError::of("read the weights", path))?;
    let fail = |problem: String| ExchangeError::Format { path: path.to_owned(), problem };
    let mut tensors = BTreeMap::new();
    for (name, content) in entries(&bytes).map_err(|error| fail(format!("no NPZ file: {error}")))? {
        let name = name.trim_end_matches(".npy").to_owned();
        if !name.ends_with("num_batches_tracked") {
            let tensor = array(&content).map_err(|problem| fail(format!("{name}: {problem}")))?;
            tensors.insert(name, tensor);
        }
    }
    Ok(tensors)
}

/// One array, or what is wrong with it.
fn array(content: &[u8]) -> Result<HostTensor, String> {
    let short = || "the array was cut short".to_owned();
    let rest = content.strip_prefix(MAGIC).ok_or_else(|| "no array of NumPy".to_owned())?;
    let (length, rest) = match rest {
        [1, _, a, b, rest @ ..] => (usize::from(u16::from_le_bytes([*a, *b])), rest),
        [2 | 3, _, a, b, c, d, rest @ ..] => {
            let length = u32::from_le_bytes([*a, *b, *c, *d]);
            (usize::try_from(length).map_err(|_| short())?, rest)
        }
        _ => return Err(short()),
    };
    let (text, data) = rest.split_at_checked(length).ok_or_else(short)?;
    let text = String::from_utf8_lossy(text);
    if value_of(&text, "'fortran_order'")?.starts_with("True") {
        return Err("the array is in Fortran order; save numpy.ascontiguousarray of it".to_owned());
    }
    let shape = value_of(&text, "'shape'")?;
    let shape = shape.strip_prefix('(').and_then(|rest| rest.split_once(')'));
    let (shape, _) = shape.ok_or_else(|| "the array has no shape".to_owned())?;
    let dims = shape.split(',').map(str::trim).filter(|dim| !dim.is_empty());
    let dims: Result<Vec<usize>, _> = dims.map(str::parse::<usize>).collect();
    let dims = dims.map_err(|error| format!("shape ({shape}): {error}"))?;
    let kind = value_of(&text, "'descr'")?;
    let values: Vec<f32> = match kind.get(1..4) {
        Some("<f4") => whole(data, 4, pod_collect_to_vec)?,
        #[expect(clippy::cast_possible_truncation, reason = "weights are kept in f32")]
        Some("<f8") => whole(data, 8, |data| {
            pod_collect_to_vec::<u8, f64>(data).into_iter().map(|value| value as f32).collect()
        })?,
        Some("<f2") => whole(data, 2, |data| {
            let bits = pod_collect_to_vec::<u8, u16>(data).into_iter();
            bits.map(|bits| f16::from_bits(bits).to_f32()).collect()
        })?,
        _ => return Err("the array holds no little-endian floats".to_owned()),
    };
    HostTensor::from_f32(dims, &values).map_err(|_| short())
}

/// The values of data that are whole elements of `size` bytes.
fn whole(data: &[u8], size: usize, values: impl Fn(&[u8]) -> Vec<f32>) -> Result<Vec<f32>, String> {
    if data.len().is_multiple_of(size) {
        Ok(values(data))
    } else {
        Err("the array was cut short".to_owned())
    }
}

/// What follows a key of the header's dictionary.
fn value_of<'a>(text: &'a str, key: &str) -> Result<&'a str, String> {
    let (_, value) = text.split_once(key).ok_or_else(|| format!("the array has no {key}"))?;
    Ok(value.trim_start_matches([':', ' ']))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

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
        let loaded = read_npz(&path).expect("what was written can be read");
        assert_eq!(loaded.len(), 3);
        for (name, tensor) in sample() {
            assert_eq!((loaded[&name].ty(), loaded[&name].words()), (tensor.ty(), tensor.words()));
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
            let error = read_npz(&path).expect_err("a cut file has no weights");
            assert!(error.to_string().contains("w.npz"), "{error}");
        }
        for position in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[position] ^= 0x15;
            fs::write(&path, &bytes).expect("a damaged file");
            let _ = read_npz(&path);
        }
    }

    #[test]
    fn other_arrays_are_explained() {
        let array_of = |header: &str, data: &[u8]| {
            let length = u16::try_from(header.len()).expect("short");
            array(&[MAGIC, &[1, 0], &length.to_le_bytes(), header.as_bytes(), data].concat())
        };
        let with = |kind: &str, order: &str, shape: &str| {
            format!("{{'descr': '{kind}', 'fortran_order': {order}, 'shape': {shape}, }}\n")
        };
        let double = array_of(&with("<f8", "False", "(1,)"), &0.25_f64.to_le_bytes());
        assert_eq!(double.expect("floats").f32s(), [0.25]);
        let half = array_of(&with("<f2", "False", "()"), &f16::from_f32(-2.0).to_le_bytes());
        assert_eq!(half.expect("floats").f32s(), [-2.0]);
        for (header, part) in [
            (with("<i8", "False", "(1,)"), "floats"),
            (with("<f4", "True", "(1, 1)"), "Fortran"),
            (with("<f4", "False", "(3,)"), "cut short"),
            (with("<f4", "False", "(x,)"), "shape"),
            ("{}".to_owned(), "fortran_order"),
        ] {
            let error = array_of(&header, &[0; 8]).expect_err(part);
            assert!(error.contains(part), "{error}");
        }
    }
}
