//! A model as text, and in a file with its weights.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::ModelError;
use super::network::Model;
use crate::data::Normalization;
use crate::nn::{Layer, ModelConfig};
use crate::train::{
    CLASSES_KEY, Exchange, InitReport, Loss, PendingWeights, Selection, WeightFile, load_weights,
    save_weights, take_over, weights_metadata,
};

/// Keys of a file's metadata.
const MODEL_KEY: &str = "verigrad_model";
const MEAN_KEY: &str = "pixel_mean";
const STD_KEY: &str = "pixel_std";

/// A model as text.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    /// Shape of an input.
    input: Vec<usize>,
    #[serde(default)]
    loss: Loss,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    classes: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<ModelConfig>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    layers: Vec<Layer>,
}

impl Model {
    /// Reads a model from TOML: `input = [28, 28, 1]`, then `[[layers]]` or `[model]` as in a recipe.
    ///
    /// # Errors
    /// When it is none.
    pub fn from_toml(text: &str) -> Result<Self, ModelError> {
        let Text { input, loss, classes, model, layers } =
            toml::from_str(text).map_err(|error| ModelError::Text(error.to_string()))?;
        let given = match (model, layers.is_empty()) {
            (Some(_), false) => {
                return Err(ModelError::Text(
                    "it has both model and layers: give either".to_owned(),
                ));
            }
            (None, _) => Self::new(input).add_all(layers),
            (Some(config), true) => {
                config.check().map_err(|(key, what)| ModelError::Text(format!("{key}: {what}")))?;
                match input[..] {
                    [h, w, c] => Self::known(config, [h, w, c]),
                    _ => {
                        let problem =
                            format!("input is {input:?}: expected [height, width, channels]");
                        return Err(ModelError::Text(problem));
                    }
                }
            }
        };
        Ok(given.loss(loss).classes(classes))
    }

    /// The model as TOML, without weights.
    ///
    /// # Errors
    /// When it has layers or a loss that are in code only.
    pub fn to_toml(&self) -> Result<String, ModelError> {
        let (model, layers) = match &self.config {
            Some(config) => (Some(config.clone()), Vec::new()),
            None => (None, self.layers.clone()),
        };
        let (input, loss, classes) = (self.input.clone(), self.loss.clone(), self.classes.clone());
        let text = Text { input, loss, classes, model, layers };
        toml::to_string(&text).map_err(|error| ModelError::Unwritable(error.to_string()))
    }

    /// Saves model and weights into one file, safetensors.
    ///
    /// # Errors
    /// When it has layers or a loss that are in code only, or the file cannot be written. The file then
    /// is as it was.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), ModelError> {
        let mut metadata = BTreeMap::from([(MODEL_KEY.to_owned(), self.to_toml()?)]);
        let list = |numbers: &[f32]| format!("{numbers:?}");
        if let Some(Normalization { mean, std }) = &self.normalization {
            metadata.insert(MEAN_KEY.to_owned(), list(mean));
            metadata.insert(STD_KEY.to_owned(), list(std));
        }
        if !self.classes.is_empty() {
            metadata.insert(CLASSES_KEY.to_owned(), serde_json::json!(self.classes).to_string());
        }
        Ok(save_weights(path.as_ref(), &self.weights()?, &metadata)?)
    }

    /// Loads what [`Self::save`] saved.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or has no model in it.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ModelError> {
        let path = path.as_ref();
        let metadata = weights_metadata(path)?;
        let weights = load_weights(path)?;
        let text = metadata.get(MODEL_KEY).ok_or_else(|| ModelError::NoModel(path.to_owned()))?;
        let mut model = Self::from_toml(text)?;
        let list = |key: &str| serde_json::from_str(metadata.get(key)?).ok();
        model.normalization =
            list(MEAN_KEY).zip(list(STD_KEY)).map(|(mean, std)| Normalization { mean, std });
        PendingWeights::check(&model.programs()?, &weights)?;
        model.set_weights(weights);
        Ok(model)
    }

    /// Takes over the weights of a file where layers fit by name and shape: safetensors, NPZ, a state
    /// dict of PyTorch (`.pt`, `.pth`), or what Keras saves, by the order of its layers. A well-known model has torchvision's names, so that torchvision's files
    /// fit; other models have their own (`conv1.weight`), in PyTorch's layouts where the file is not ours. The last layer starts afresh where the
    /// file tells other classes, or none of the same number.
    ///
    /// # Errors
    /// When the file cannot be read, or no layer fits.
    pub fn load_weights(&mut self, path: impl AsRef<Path>) -> Result<InitReport, ModelError> {
        let programs = self.programs()?;
        let exchange = Exchange::of(self.config.as_ref(), &programs)?;
        let file = WeightFile::read(path.as_ref())?;
        let imported = exchange.import_in_part(&file, file.layout(), &Selection::default())?;
        let given = imported.weights.into_iter().collect();
        let same = file.classes().is_none_or(|classes| classes == self.classes);
        let mut all: Vec<_> = self.weights_of(&programs)?.into_iter().collect();
        let report = take_over(&programs, &mut all, &given, same)?;
        self.set_weights(all);
        Ok(report)
    }
}
