//! Fixture files: cases and their tensors, as `assets/golden/make_golden.py` writes them.

use std::fs;
use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;
use verigrad::error::ShapeError;
use verigrad::tensor::{HostTensor, TensorType};

/// One case of a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub name: String,
    /// Registry name.
    pub op: String,
    /// Serde form of the op.
    pub attributes: serde_json::Value,
    /// Number of inputs.
    pub inputs: usize,
    /// Number of outputs.
    pub outputs: usize,
    /// Outputs that have an expected value.
    pub checked_outputs: Vec<usize>,
    /// Inputs that have an expected gradient.
    pub gradients: Vec<usize>,
}

/// A tensor, floats widened to f64.
#[derive(Debug, Clone)]
pub struct Tensor {
    pub ty: TensorType,
    pub data: Data,
}

/// Elements of a [`Tensor`].
#[derive(Debug, Clone)]
pub enum Data {
    Float(Vec<f64>),
    /// Integers and bytes.
    Other(HostTensor),
}

/// One fixture file in memory.
pub struct Family {
    pub name: String,
    bytes: Vec<u8>,
}

impl Family {
    /// Every file of cases in `assets/golden`, by name.
    pub fn all() -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/golden");
        let mut paths: Vec<PathBuf> = fs::read_dir(&folder)
            .expect("assets/golden is part of the repository")
            .map(|entry| entry.expect("its entries can be read").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "safetensors"))
            .collect();
        paths.sort();
        let families = paths.into_iter().map(|path| Self {
            name: path.file_stem().expect("has a stem").to_string_lossy().into_owned(),
            bytes: fs::read(&path).expect("fixture files can be read"),
        });
        families.filter(|family| family.metadata("cases").is_some()).collect()
    }

    /// An entry of the file's metadata.
    pub fn metadata(&self, key: &str) -> Option<String> {
        let (_, metadata) = SafeTensors::read_metadata(&self.bytes).expect("a safetensors file");
        metadata.metadata().as_ref().and_then(|entries| entries.get(key).cloned())
    }

    /// The cases of the file.
    pub fn cases(&self) -> Vec<Case> {
        let cases = self.metadata("cases").expect("files without cases are left out");
        serde_json::from_str(&cases).expect("a list of cases")
    }

    /// All tensors, by name.
    pub fn tensors(&self) -> impl Fn(&str) -> Option<Tensor> {
        let tensors = SafeTensors::deserialize(&self.bytes).expect("a safetensors file");
        move |name| {
            let view = tensors.tensor(name).ok()?;
            let (shape, bytes) = (view.shape().to_vec(), view.data());
            Some(match view.dtype() {
                Dtype::F32 => {
                    let values = bytemuck::pod_collect_to_vec::<u8, f32>(bytes);
                    Tensor::float(shape, values.into_iter().map(f64::from).collect())
                }
                Dtype::F64 => Tensor::float(shape, bytemuck::pod_collect_to_vec(bytes)),
                Dtype::U32 => {
                    let values = bytemuck::pod_collect_to_vec::<u8, u32>(bytes);
                    Tensor::other(HostTensor::from_u32(shape, &values))
                }
                Dtype::U8 => Tensor::other(HostTensor::from_u8(shape, bytes)),
                other => unreachable!("the script writes no {other:?}, as in {name}"),
            })
        }
    }
}

impl Tensor {
    fn float(shape: Vec<usize>, values: Vec<f64>) -> Self {
        Self { ty: TensorType::f32(shape), data: Data::Float(values) }
    }

    fn other(tensor: Result<HostTensor, ShapeError>) -> Self {
        let tensor = tensor.expect("a safetensors file has one value per element");
        Self { ty: tensor.ty().clone(), data: Data::Other(tensor) }
    }
}
