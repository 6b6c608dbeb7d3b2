//! A model's weights, there and back: matched by name and shape, and laid out as PyTorch or Keras has them.

use std::collections::{BTreeMap, BTreeSet};

use super::entry::Entry;
use super::error::ExchangeError;
use super::given::Given;
use super::keras::matching::renamed;
use super::keras::model::{Kind, OwnLayer, layers_of};
use super::keras::write::{KerasWeights, Written};
use super::matching::matched;
use super::names;
use super::selection::{Selection, Taken};
use super::weight_file::{FileLayout, WeightFile};
use crate::nn::ModelConfig;
use crate::tensor::{HostTensor, Shape};
use crate::train::ModelPrograms;

/// How a model's weights are called and laid out in PyTorch, and which layers they are in Keras.
#[derive(Debug, Clone, PartialEq)]
pub struct Exchange {
    entries: Vec<Entry>,
    layers: Vec<OwnLayer>,
}

impl Exchange {
    /// The tensors of a model. Models of a recipe's `[model]` section have the names of torchvision;
    /// others keep their own names, with `running_var` for the running variance.
    ///
    /// # Errors
    /// When an image is flattened inside a residual or concatenated branch, where the order of the
    /// features cannot be followed.
    pub fn of(config: Option<&ModelConfig>, model: &ModelPrograms) -> Result<Self, ExchangeError> {
        Ok(Self { entries: names::entries(config, model)?, layers: layers_of(model) })
    }

    /// Name and shape of each tensor in PyTorch, in the order of the layers.
    pub fn torch_tensors(&self) -> Vec<(String, Shape)> {
        let tensors = self.entries.iter();
        tensors.map(|entry| (entry.theirs.clone(), entry.layout.torch_shape())).collect()
    }

    /// Weights as a PyTorch state dict has them.
    ///
    /// # Errors
    /// Lists the tensors that are missing, have another shape, or do not belong.
    pub fn to_torch(
        &self,
        weights: &BTreeMap<String, HostTensor>,
    ) -> Result<Vec<(String, HostTensor)>, ExchangeError> {
        let given = floats(weights.clone());
        let pairs = self.entries.iter().zip(matched(&self.side(FileLayout::Own), &given)?);
        let convert = |(entry, tensor): (&Entry, &HostTensor)| {
            Ok((entry.theirs.clone(), entry.layout.exported(tensor)?))
        };
        pairs.map(convert).collect()
    }

    /// Weights as Keras has them.
    ///
    /// # Errors
    /// Lists the tensors that are missing, have another shape, or do not belong; names a layer that Keras
    /// does not have.
    pub fn to_keras(
        &self,
        weights: &BTreeMap<String, HostTensor>,
    ) -> Result<KerasWeights, ExchangeError> {
        let tensors: BTreeMap<_, _> = self.from_own(weights)?.into_iter().collect();
        let layer = |layer: &OwnLayer| {
            if layer.kind == Kind::Unknown {
                let problem = format!("{} is of a kind that Keras does not have", layer.name);
                return Err(ExchangeError::Model(problem));
            }
            let tensor = |(part, ours, shape): &(&'static str, String, Shape)| {
                let shape = layer.keras_shape(part, shape);
                Ok((*part, HostTensor::from_f32(shape, tensors[ours].f32s())?))
            };
            let parts: Result<_, ExchangeError> = layer.parts.iter().map(tensor).collect();
            Ok(Written { name: layer.word(), kind: layer.kind, tensors: parts? })
        };
        let layers: Result<_, ExchangeError> = self.layers.iter().map(layer).collect();
        Ok(KerasWeights { layers: layers? })
    }

    /// Weights of a PyTorch state dict as the model has them, by the rules of [`Self::import`].
    ///
    /// # Errors
    /// Lists the tensors that are missing, have another shape, or do not belong.
    pub fn from_torch(
        &self,
        weights: BTreeMap<String, HostTensor>,
    ) -> Result<Vec<(String, HostTensor)>, ExchangeError> {
        let file = WeightFile::of(weights);
        Ok(self.import(&file, FileLayout::Torch, &Selection::default())?.weights)
    }

    /// Weights that have the model's own names and layouts already.
    ///
    /// # Errors
    /// Lists the tensors that are missing, have another shape, or do not belong.
    pub fn from_own(
        &self,
        weights: &BTreeMap<String, HostTensor>,
    ) -> Result<Vec<(String, HostTensor)>, ExchangeError> {
        let given = floats(weights.clone());
        let pairs = self.entries.iter().zip(matched(&self.side(FileLayout::Own), &given)?);
        Ok(pairs.map(|(entry, tensor)| (entry.ours.clone(), tensor.clone())).collect())
    }

    /// The weights of a file with the names and layouts of one side, as the model has them. Names are
    /// matched first: only tensors that the model has need be floats.
    ///
    /// # Errors
    /// Lists the tensors that are missing, have another shape or type, or do not belong, with what to
    /// try; or names what of the selection is not in the file.
    pub fn import(
        &self,
        file: &WeightFile,
        layout: FileLayout,
        selection: &Selection,
    ) -> Result<Imported, ExchangeError> {
        let expected = self.side(layout);
        let Meant { given, taken, how } = self.meant(file, layout, selection, &expected)?;
        let found = matched(&expected, &given).map_err(|error| match how {
            Some(how) => with_hint(error, how),
            None => self.with_other_layout(error, file, layout, selection),
        })?;
        let convert = |(entry, tensor): (&Entry, &HostTensor)| {
            Ok((entry.ours.clone(), entry.imported(layout, tensor)?))
        };
        let weights: Result<_, ExchangeError> =
            self.entries.iter().zip(found).map(convert).collect();
        Ok(Imported { weights: weights?, taken })
    }

    /// As [`Self::import`], for a model that has only some of the tensors in common with the file: those
    /// that have another shape stay as they are, under our names, and those that the model does not know
    /// under theirs.
    ///
    /// # Errors
    /// When a tensor that the model has holds no floats, or something of the selection is not in the
    /// file.
    pub fn import_in_part(
        &self,
        file: &WeightFile,
        layout: FileLayout,
        selection: &Selection,
    ) -> Result<Imported, ExchangeError> {
        let expected = self.side(layout);
        let Meant { mut given, taken, .. } = self.meant(file, layout, selection, &expected)?;
        let mut weights = Vec::new();
        for (entry, (name, shape)) in self.entries.iter().zip(&expected) {
            match given.remove(name) {
                Some(Given::Floats(tensor)) if tensor.ty().shape == *shape => {
                    weights.push((entry.ours.clone(), entry.imported(layout, &tensor)?));
                }
                // Under our name, so that the report tells what does not fit.
                Some(Given::Floats(tensor)) => weights.push((entry.ours.clone(), tensor)),
                Some(other) => {
                    let one = [(name.clone(), shape.clone())];
                    matched(&one, &BTreeMap::from([(name.clone(), other)]))?;
                }
                None => {}
            }
        }
        weights.extend(given.into_iter().filter_map(|(name, given)| match given {
            Given::Floats(tensor) => Some((name, tensor)),
            Given::Other { .. } => None,
        }));
        Ok(Imported { weights, taken })
    }

    /// The tensors of a file that are meant, by their names on one side.
    fn meant(
        &self,
        file: &WeightFile,
        layout: FileLayout,
        selection: &Selection,
        expected: &[(String, Shape)],
    ) -> Result<Meant, ExchangeError> {
        if layout != FileLayout::Keras {
            let (given, taken) = selection.of(&file.tensors, &names_of(expected))?;
            return Ok(Meant { given, taken, how: None });
        }
        let layers = file.keras.as_ref().ok_or_else(|| {
            let problem = "it has no layers of Keras: expected a .weights.h5, .h5 or .keras file";
            ExchangeError::Selection(problem.to_owned())
        })?;
        // No name of the file is one of ours, until its layers are matched.
        let (given, mut taken) = selection.of(&file.tensors, &BTreeSet::new())?;
        let prefix = taken.prefix.as_ref().map_or("", |(prefix, _)| prefix);
        let renamed = renamed(&self.layers, layers, given, prefix)?;
        taken.passed.extend(renamed.passed);
        Ok(Meant { given: renamed.tensors, taken, how: Some(renamed.how) })
    }

    /// Names and shapes of the model's tensors in files of one side.
    fn side(&self, layout: FileLayout) -> Vec<(String, Shape)> {
        match layout {
            FileLayout::Torch => self.torch_tensors(),
            FileLayout::Own | FileLayout::Keras => {
                let own = |entry: &Entry| (entry.ours.clone(), entry.shape.clone());
                self.entries.iter().map(own).collect()
            }
        }
    }

    /// A mismatch, with the advice to take the other side's names and layouts where they fit.
    fn with_other_layout(
        &self,
        error: ExchangeError,
        file: &WeightFile,
        layout: FileLayout,
        selection: &Selection,
    ) -> ExchangeError {
        let (other, name) = match layout {
            FileLayout::Torch => (FileLayout::Own, "npz"),
            FileLayout::Own | FileLayout::Keras => (FileLayout::Torch, "torch"),
        };
        let expected = self.side(other);
        let fits = selection
            .of(&file.tensors, &names_of(&expected))
            .is_ok_and(|(given, _)| matched(&expected, &given).is_ok());
        match error {
            ExchangeError::Mismatch { problems, .. } if fits => {
                let hint = format!(
                    "all fit in other names and layouts: bring them into the recipe's form with \
                     verigrad weights import --format {name}"
                );
                ExchangeError::Mismatch { problems, hint: Some(hint) }
            }
            error => error,
        }
    }
}

/// Tensors of a file by their names on one side.
struct Meant {
    given: BTreeMap<String, Given>,
    taken: Taken,
    /// How layers of Keras were matched.
    how: Option<String>,
}

/// A mismatch, with what to look at, where it says nothing to try.
fn with_hint(error: ExchangeError, how: String) -> ExchangeError {
    match error {
        ExchangeError::Mismatch { problems, hint } => {
            let hint = hint.into_iter().chain([how]).collect::<Vec<_>>().join("\n");
            ExchangeError::Mismatch { problems, hint: Some(hint) }
        }
        error => error,
    }
}

/// Weights of a file, as a model has them.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The weights by our names.
    pub weights: Vec<(String, HostTensor)>,
    /// What of the file was not taken as it is, to be told.
    pub taken: Taken,
}

fn floats(weights: BTreeMap<String, HostTensor>) -> BTreeMap<String, Given> {
    weights.into_iter().map(|(name, tensor)| (name, Given::Floats(tensor))).collect()
}

fn names_of(expected: &[(String, Shape)]) -> BTreeSet<&str> {
    expected.iter().map(|(name, _)| name.as_str()).collect()
}

#[cfg(test)]
mod tests;
