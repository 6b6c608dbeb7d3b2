//! Safetensors files of other programs: floats of 16, 32 and 64 bits, and whatever else lies there.

use std::collections::BTreeMap;
use std::path::Path;

use ::safetensors::tensor::{Dtype, SafeTensorError, TensorView};
use bytemuck::{Pod, pod_collect_to_vec};
use half::{bf16, f16};

use super::error::ExchangeError;
use super::given::Given;
use crate::tensor::{HostTensor, Shape};
use crate::train::WeightsError;
use crate::train::store::weights::open_safetensors;

/// The tensors of a safetensors file, by name.
///
/// # Errors
/// When the file is of another format, is damaged, or has a name twice.
pub(super) fn tensors_of(
    path: &Path,
    bytes: &[u8],
) -> Result<BTreeMap<String, Given>, ExchangeError> {
    let mut tensors = BTreeMap::new();
    for (name, view) in open_safetensors(path, bytes)?.iter() {
        let given = match floats(&view) {
            Some(values) => {
                let source = SafeTensorError::TensorInvalidInfo;
                let malformed = WeightsError::Malformed { path: path.to_owned(), source };
                Given::Floats(HostTensor::from_f32(view.shape(), &values).map_err(|_| malformed)?)
            }
            None => Given::Other {
                dtype: view.dtype().to_string(),
                shape: Shape::from(view.shape().to_vec()),
            },
        };
        tensors.insert(name.to_owned(), given);
    }
    Ok(tensors)
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
    use super::*;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
    }

    fn read(bytes: &[u8]) -> Result<BTreeMap<String, Given>, ExchangeError> {
        tensors_of(Path::new("w.safetensors"), bytes)
    }

    /// A file with one tensor `w` of shape `[2]`.
    fn one(dtype: &str, data: &[u8]) -> Vec<u8> {
        let end = data.len();
        let tensor =
            format!("{{\"w\":{{\"dtype\":\"{dtype}\",\"shape\":[2],\"data_offsets\":[0,{end}]}}}}");
        file(&tensor, data)
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
            let tensors = read(&one(dtype, &data)).expect("floats");
            let Given::Floats(w) = &tensors["w"] else { unreachable!("{dtype}") };
            assert_eq!(w.f32s(), [0.5, second], "{dtype}");
        }
        let integers = read(&one("I32", &[0; 8])).expect("kept");
        assert_eq!(integers["w"].in_words(), "I32 [2]");
    }

    #[test]
    fn a_name_that_is_there_twice_is_an_error() {
        let one = "\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}";
        let error = read(&file(&format!("{{{one},{one}}}"), &[0; 4])).expect_err("twice");
        assert!(error.to_string().contains("w is there twice"), "{error}");
    }

    #[test]
    fn what_is_no_safetensors_file_is_explained() {
        for (bytes, part) in [
            (&b"PK\x03\x04whatever"[..], "zip file"),
            (b"\x80\x02}q", "safetensors.torch.save_file"),
            (b"\x10", "cut short"),
        ] {
            let error = read(bytes).expect_err("no weights").to_string();
            assert!(error.contains("w.safetensors") && error.contains(part), "{error}");
        }
    }
}
