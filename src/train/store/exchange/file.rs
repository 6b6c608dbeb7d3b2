//! Safetensors files of other programs: floats of 16, 32 and 64 bits.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use bytemuck::{Pod, pod_collect_to_vec};
use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, TensorView};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::error::ExchangeError;
use crate::input::{self, MOST_OF_WEIGHTS};
use crate::tensor::HostTensor;
use crate::train::WeightsError;
use crate::train::store::files::FileError;

/// How a PyTorch pickle begins since version 1.6: as a zip file.
const ZIP: &[u8] = b"PK\x03\x04";

/// The tensors of a safetensors file, as f32. Counters `num_batches_tracked` are left out.
///
/// # Errors
/// When the file cannot be read, is damaged or no safetensors file, or holds tensors that are no
/// floats.
pub fn read_safetensors(path: &Path) -> Result<BTreeMap<String, HostTensor>, ExchangeError> {
    let bytes =
        input::read(path, MOST_OF_WEIGHTS).map_err(FileError::of("read the weights", path))?;
    let fail = |problem: String| ExchangeError::Format { path: path.to_owned(), problem };
    if bytes.starts_with(ZIP) || bytes.starts_with(b"\x80\x02") {
        return Err(fail(
            "not a safetensors file but a pickle or zip file; in Python, write the state dict with \
             safetensors.torch.save_file(model.state_dict(), \"model.safetensors\"), or name a file \
             of NumPy .npz"
                .to_owned(),
        ));
    }
    let malformed = |source: SafeTensorError| {
        ExchangeError::Weights(WeightsError::Malformed { path: path.to_owned(), source })
    };
    let file = SafeTensors::deserialize(&bytes).map_err(malformed)?;
    if let Some(name) = name_given_twice(&bytes) {
        return Err(fail(format!("tensor {name} is there twice: expected each name once")));
    }
    let mut tensors = BTreeMap::new();
    for (name, view) in file.iter() {
        if name.ends_with("num_batches_tracked") {
            continue;
        }
        let values = floats(&view).ok_or_else(|| {
            fail(format!("tensor {name} holds {}, weights must be floats", view.dtype()))
        })?;
        let tensor = HostTensor::from_f32(view.shape(), &values)
            .map_err(|_| malformed(SafeTensorError::TensorInvalidInfo))?;
        tensors.insert(name.to_owned(), tensor);
    }
    Ok(tensors)
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

fn floats(view: &TensorView<'_>) -> Option<Vec<f32>> {
    let bytes = view.data();
    #[expect(clippy::cast_possible_truncation, reason = "weights are kept in f32")]
    match view.dtype() {
        Dtype::F32 => Some(pod_collect_to_vec(bytes)),
        Dtype::F16 => Some(all(bytes, |bits: u16| f16::from_bits(bits).to_f32())),
        Dtype::BF16 => Some(all(bytes, |bits: u16| bf16::from_bits(bits).to_f32())),
        Dtype::F64 => Some(all(bytes, |value: f64| value as f32)),
        _ => None,
    }
}

/// The numbers of unaligned little-endian bytes.
fn all<T: Pod>(bytes: &[u8], convert: impl Fn(T) -> f32) -> Vec<f32> {
    pod_collect_to_vec::<u8, T>(bytes).into_iter().map(convert).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A file with one tensor `w` of shape `[2]` and a counter of batches.
    fn file(dtype: &str, data: &[u8]) -> tempfile::NamedTempFile {
        let end = data.len();
        let header = format!(
            "{{\"w\":{{\"dtype\":\"{dtype}\",\"shape\":[2],\"data_offsets\":[0,{end}]}},\
             \"bn.num_batches_tracked\":{{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[{end},{}]}}}}",
            end + 8
        );
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes.extend(7_u64.to_le_bytes());
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        fs::write(file.path(), bytes).expect("a file");
        file
    }

    #[test]
    fn other_floats_are_widened() {
        let halves =
            [f16::from_f32(0.5), f16::from_f32(-65504.0)].map(|v| v.to_le_bytes()).concat();
        let brains = [bf16::from_f32(0.5), bf16::from_f32(-3.0e38)];
        let stored = brains[1].to_f32();
        let brains = brains.map(|v| v.to_le_bytes()).concat();
        let doubles = [0.5_f64, -1.0 / 3.0].map(f64::to_le_bytes).concat();
        let singles = [0.5_f32, -1.0 / 3.0].map(f32::to_le_bytes).concat();
        for (dtype, data, second) in [
            ("F16", halves, -65504.0),
            ("BF16", brains, stored),
            ("F64", doubles, -1.0_f32 / 3.0),
            ("F32", singles, -1.0_f32 / 3.0),
        ] {
            let file = file(dtype, &data);
            let tensors = read_safetensors(file.path()).expect("floats");
            assert_eq!(tensors.len(), 1, "the counter is left out");
            assert_eq!(tensors["w"].f32s(), [0.5, second], "{dtype}");
        }
    }

    #[test]
    fn a_name_that_is_there_twice_is_an_error() {
        let one = "\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}";
        let header = format!("{{{one},{one}}}");
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend([0; 4]);
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        fs::write(file.path(), bytes).expect("a file");
        let error = read_safetensors(file.path()).expect_err("twice").to_string();
        assert!(error.contains("w is there twice"), "{error}");
    }

    #[test]
    fn what_is_no_float_or_no_safetensors_file_is_explained() {
        let integers = file("I32", &[0; 8]);
        let error = read_safetensors(integers.path()).expect_err("integers").to_string();
        assert!(error.contains("w holds I32"), "{error}");
        fs::write(integers.path(), b"PK\x03\x04whatever").expect("a file");
        let error = read_safetensors(integers.path()).expect_err("a pickle").to_string();
        assert!(error.contains("safetensors.torch.save_file"), "{error}");
        fs::write(integers.path(), b"\x10").expect("a file");
        let error = read_safetensors(integers.path()).expect_err("nothing").to_string();
        assert!(error.contains("cut short"), "{error}");
    }
}
