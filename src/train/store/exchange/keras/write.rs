//! Weights as Keras' `load_weights` reads them, in the layout that Keras takes from the name of the file.

use std::path::Path;

use ::hdf5_pure::{AttrValue, FileBuilder};

use super::layout::{LAYER_NAMES, LAYERS, VARS, WEIGHT_NAMES};
use super::model::Kind;
use crate::tensor::HostTensor;
use crate::train::store::exchange::error::ExchangeError;
use crate::train::store::files::write_atomically;

/// A layer for Keras.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::train::store::exchange) struct Written {
    pub name: String,
    pub kind: Kind,
    /// What Keras calls each tensor, in its order.
    pub tensors: Vec<(&'static str, HostTensor)>,
}

/// Weights of a model in Keras' layouts.
#[derive(Debug, Clone, PartialEq)]
pub struct KerasWeights {
    pub(in crate::train::store::exchange) layers: Vec<Written>,
}

impl KerasWeights {
    /// Number of tensors, and of all their numbers.
    pub fn counts(&self) -> (usize, usize) {
        let tensors = || self.layers.iter().flat_map(|layer| &layer.tensors);
        (tensors().count(), tensors().map(|(_, tensor)| tensor.ty().elements()).sum())
    }

    /// Writes a file that `load_weights` of Keras reads: `.weights.h5` in the layout of Keras 3, else
    /// `.h5` or `.hdf5` in that of all versions. The same weights give the same bytes.
    ///
    /// # Errors
    /// When the name has another ending, or the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), ExchangeError> {
        let fail = |problem: String| ExchangeError::Format { path: path.to_owned(), problem };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let file = if name.ends_with(".weights.h5") {
            self.by_groups()
        } else if name.ends_with(".h5") || name.ends_with(".hdf5") {
            self.by_lists()
        } else {
            return Err(fail(
                "Keras takes the format from the name: expected one that ends in .weights.h5 \
                 (Keras 3) or .h5 (Keras 2 and 3)"
                    .to_owned(),
            ));
        };
        let bytes = file.finish().map_err(|error| fail(error.to_string()))?;
        Ok(write_atomically(path, &bytes)?)
    }

    /// The layout of Keras 3: `layers/conv2d_1/vars/0`.
    fn by_groups(&self) -> FileBuilder {
        let mut file = FileBuilder::new();
        let mut all = file.create_group(LAYERS[0]);
        for (at, layer) in self.layers.iter().enumerate() {
            let class = layer.kind.class();
            let before = self.layers[..at].iter().filter(|before| before.kind == layer.kind);
            let mut group = all.create_group(&match before.count() {
                0 => class.to_owned(),
                number => format!("{class}_{number}"),
            });
            let mut vars = group.create_group(VARS);
            vars.set_attr("name", AttrValue::VarLenString(layer.name.clone()));
            for (at, (_, tensor)) in layer.tensors.iter().enumerate() {
                let array = vars.create_dataset(&at.to_string());
                array.with_f32_data(tensor.f32s()).with_shape(&dims(tensor));
            }
            group.add_group(vars.finish());
            all.add_group(group.finish());
        }
        file.add_group(all.finish());
        file
    }

    /// The layout of all versions: lists of names as attributes.
    fn by_lists(&self) -> FileBuilder {
        let mut file = FileBuilder::new();
        let names = self.layers.iter().map(|layer| layer.name.clone()).collect();
        file.set_attr(LAYER_NAMES, AttrValue::StringArray(names));
        file.set_attr("backend", AttrValue::String("verigrad".to_owned()));
        // From 2 on, nothing in the file is converted when it is read.
        file.set_attr("keras_version", AttrValue::String("2.0.0".to_owned()));
        for layer in &self.layers {
            let mut group = file.create_group(&layer.name);
            let mut inner = group.create_group(&layer.name);
            let mut names = Vec::new();
            for (part, tensor) in &layer.tensors {
                let part = format!("{part}:0");
                names.push(format!("{}/{part}", layer.name));
                let array = inner.create_dataset(&part);
                array.with_f32_data(tensor.f32s()).with_shape(&dims(tensor));
            }
            group.set_attr(WEIGHT_NAMES, AttrValue::StringArray(names));
            group.add_group(inner.finish());
            file.add_group(group.finish());
        }
        file
    }
}

fn dims(tensor: &HostTensor) -> Vec<u64> {
    let dims = tensor.ty().dims().iter();
    dims.map(|&dim| u64::try_from(dim).unwrap_or(u64::MAX)).collect()
}
