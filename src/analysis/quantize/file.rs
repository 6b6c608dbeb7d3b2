//! Quantized models as safetensors files. A tensor of weights `w` is `w`, I8, and `w.scales`, F32, by
//! which the output channels (the last dimension) are multiplied; what layer `l` reads lies on the grid
//! of `l.input.scale`, F32, and `l.input.zero_point`, U8; all other tensors are F32.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensorError};
use thiserror::Error;

use super::{Grid, Int8Tensor, QuantizedModel};
use crate::input::{self, MOST_OF_WEIGHTS};
use crate::tensor::{HostTensor, Shape};
use crate::train::{FileError, Stored, WeightsError, open_safetensors, save_stored};

const SCALES: &str = ".scales";
const INPUT_SCALE: &str = ".input.scale";
const INPUT_ZERO_POINT: &str = ".input.zero_point";

/// Why a quantized model cannot be loaded or saved.
#[derive(Debug, Error)]
pub enum QuantizedFileError {
    /// The file cannot be written, or is damaged.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The file is whole, and holds something else.
    #[error(
        "{} holds no quantized model: {problem}; make one with `verigrad analyze quantize RUN`",
        path.display()
    )]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

impl QuantizedModel {
    /// Saves the model with metadata. The same arguments give the same bytes.
    ///
    /// # Errors
    /// When two tensors have one name, or the file cannot be written. `path` then holds what it held
    /// before.
    pub fn save(
        &self,
        path: &Path,
        metadata: &BTreeMap<String, String>,
    ) -> Result<(), QuantizedFileError> {
        let mut named: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
        let floats = |values: &[f32]| bytemuck::cast_slice(values).to_vec();
        for (name, tensor) in &self.floats {
            let dims = tensor.ty().dims().to_vec();
            named.push((name.clone(), Dtype::F32, dims, tensor.bytes().to_vec()));
        }
        for (name, tensor) in &self.weights {
            let scales = (format!("{name}{SCALES}"), Dtype::F32, vec![tensor.scales.len()]);
            named.push((scales.0, scales.1, scales.2, floats(&tensor.scales)));
        }
        for (layer, grid) in &self.grids {
            named.push((
                format!("{layer}{INPUT_SCALE}"),
                Dtype::F32,
                vec![1],
                floats(&[grid.scale]),
            ));
        }
        // Words come first, so that they are aligned.
        for (name, tensor) in &self.weights {
            let (dims, values) = (tensor.shape.dims().to_vec(), &tensor.values);
            named.push((name.clone(), Dtype::I8, dims, bytemuck::cast_slice(values).to_vec()));
        }
        for (layer, grid) in &self.grids {
            let name = format!("{layer}{INPUT_ZERO_POINT}");
            named.push((name, Dtype::U8, vec![1], vec![grid.zero_point]));
        }
        let stored: Vec<Stored<'_>> = named
            .iter()
            .map(|(name, dtype, shape, bytes)| Stored {
                name,
                dtype: *dtype,
                shape: shape.clone(),
                bytes,
            })
            .collect();
        Ok(save_stored(path, &stored, metadata)?)
    }

    /// Loads what [`Self::save`] saved.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or does not hold a quantized model.
    pub fn load(path: &Path) -> Result<Self, QuantizedFileError> {
        let bytes = input::read(path, MOST_OF_WEIGHTS)
            .map_err(FileError::of("read the quantized weights", path))
            .map_err(WeightsError::from)?;
        let malformed = |source| WeightsError::Malformed { path: path.to_owned(), source };
        let content =
            |problem: String| QuantizedFileError::Content { path: path.to_owned(), problem };
        let file = open_safetensors(path, &bytes)?;
        let (mut floats, mut grids) = (BTreeMap::new(), BTreeMap::new());
        let mut numbers: BTreeMap<String, (Shape, Vec<i8>)> = BTreeMap::new();
        let mut zero_points = BTreeMap::new();
        for (name, view) in file.iter() {
            match view.dtype() {
                Dtype::I8 => {
                    let values = bytemuck::cast_slice(view.data()).to_vec();
                    numbers.insert(name.to_owned(), (Shape::from(view.shape()), values));
                }
                Dtype::U8 => {
                    let layer = name.strip_suffix(INPUT_ZERO_POINT);
                    let (Some(layer), [level]) = (layer, view.data()) else {
                        return Err(content(format!("{name} is no zero point")));
                    };
                    zero_points.insert(layer.to_owned(), *level);
                }
                Dtype::F32 => {
                    let values: Vec<f32> = bytemuck::pod_collect_to_vec(view.data());
                    let tensor = HostTensor::from_f32(view.shape(), &values)
                        .map_err(|_| malformed(SafeTensorError::TensorInvalidInfo))?;
                    floats.insert(name.to_owned(), tensor);
                }
                other => return Err(content(format!("{name} holds {other}"))),
            }
        }
        if numbers.is_empty() {
            return Err(content("no tensor has 8 bits".to_owned()));
        }
        for (layer, zero_point) in zero_points {
            let scale = floats.remove(&format!("{layer}{INPUT_SCALE}"));
            match scale.as_ref().map(HostTensor::f32s) {
                Some(&[scale]) if scale.is_finite() && scale >= 0.0 => {
                    grids.insert(layer, Grid { scale, zero_point });
                }
                _ => return Err(content(format!("{layer}{INPUT_SCALE} is no scale"))),
            }
        }
        let mut weights = BTreeMap::new();
        for (name, (shape, values)) in numbers {
            let scales = floats.remove(&format!("{name}{SCALES}"));
            let scales = scales.map(|scales| scales.f32s().to_vec()).unwrap_or_default();
            let channels = shape.dims().last().copied().unwrap_or(1);
            let fits = scales.len() == 1 || scales.len() == channels;
            if scales.is_empty() || !fits || scales.iter().any(|scale| !scale.is_finite()) {
                return Err(content(format!("{name}{SCALES} are no scales of {name} {shape}")));
            }
            weights.insert(name, Int8Tensor { shape, values, scales });
        }
        Ok(Self { weights, floats, grids })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::Granularity;
    use safetensors::SafeTensors;

    use super::*;

    fn model() -> QuantizedModel {
        let tensor =
            |dims: &[usize], values: &[f32]| HostTensor::from_f32(dims, values).expect("as many");
        let weights = BTreeMap::from([
            (
                "conv1.weight".to_owned(),
                tensor(&[1, 1, 3, 2], &[0.5, -3.0, 0.25, 1.0, -0.125, 9.0]),
            ),
            ("dense1.weight".to_owned(), tensor(&[3, 1], &[1.0, 2.0, -3.0])),
            ("conv1.bias".to_owned(), tensor(&[2], &[f32::MIN, 7.5])),
        ]);
        let grids = BTreeMap::from([
            ("conv1".to_owned(), Grid::of_range(-1.0, 2.0)),
            ("dense1".to_owned(), Grid::of_range(0.0, 6.0)),
        ]);
        QuantizedModel::new(&weights, grids, Granularity::PerChannel).expect("they are finite")
    }

    #[test]
    fn files_are_read_back() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("q.safetensors");
        let model = model();
        model.save(&path, &BTreeMap::new()).expect("it can be saved");
        assert_eq!(QuantizedModel::load(&path).expect("it was saved"), model);
        let first = fs::read(&path).expect("a file");
        model.save(&path, &BTreeMap::new()).expect("it can be saved");
        assert_eq!(fs::read(&path).expect("a file"), first, "the same bytes");
        let file = SafeTensors::deserialize(&first).expect("a valid file");
        assert_eq!(file.tensor("conv1.weight").expect("a tensor").dtype(), Dtype::I8);
    }

    #[test]
    fn damage_never_panics_and_other_files_are_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("q.safetensors");
        let refused = |path: &Path| QuantizedModel::load(path).expect_err("no model").to_string();
        assert!(refused(&path).contains("does not exist"));
        model().save(&path, &BTreeMap::new()).expect("it can be saved");
        let whole = fs::read(&path).expect("a file");
        for position in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[position] ^= 0x15;
            fs::write(&path, &bytes).expect("a damaged file");
            let _ = QuantizedModel::load(&path);
        }
        fs::write(&path, &whole[..whole.len() - 1]).expect("a cut file");
        assert!(refused(&path).contains("cut short"));

        let mut broken = model();
        broken.weights.values_mut().for_each(|tensor| tensor.scales = vec![f32::NAN]);
        broken.save(&path, &BTreeMap::new()).expect("it can be saved");
        assert!(refused(&path).contains("conv1.weight.scales are no scales"));
        let mut broken = model();
        broken.grids.values_mut().for_each(|grid| grid.scale = -1.0);
        broken.save(&path, &BTreeMap::new()).expect("it can be saved");
        assert!(refused(&path).contains("conv1.input.scale is no scale"));
        let floats = QuantizedModel { weights: BTreeMap::new(), grids: BTreeMap::new(), ..model() };
        floats.save(&path, &BTreeMap::new()).expect("it can be saved");
        assert!(refused(&path).contains("no tensor has 8 bits"));
    }
}
