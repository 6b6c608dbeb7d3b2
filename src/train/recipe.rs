//! Recipes: everything that decides a training run, as TOML.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use toml::de::{DeTable, DeValue};

use super::augment::AugmentConfig;
use super::callbacks::{Budget, EarlyStoppingConfig, Monitor, PlateauConfig};
use super::checkpoint::CheckpointConfig;
use super::gradients::LossReduction;
use super::histograms::HistogramsConfig;
use super::optimizer::{Clipping, OptimizerConfig};
use super::overrides;
use super::schedule::ScheduleConfig;
use super::steering::EmaConfig;
use super::{TrainError, builtin_recipes};
use crate::data::DataConfig;
use crate::nn::{Layer, ModelConfig, Precision};

/// Everything that decides a training run. The same recipe on the same device and driver gives the
/// same bits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Name, for the run directory.
    pub name: String,
    /// What it is, in a sentence.
    #[serde(default)]
    pub description: String,
    /// Seed of initial weights, order of examples and dropout.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// Passes over the training set.
    pub epochs: u32,
    /// Images per step.
    pub batch_size: usize,
    /// Whether each epoch has an order of its own.
    #[serde(default = "yes")]
    pub shuffle: bool,
    /// Whether an incomplete last batch is left out. Always so with batch normalization, whose
    /// statistics it would distort.
    #[serde(default)]
    pub drop_last: bool,
    /// Part of the target that is spread over all classes, in [0, 1).
    #[serde(default)]
    pub label_smoothing: f32,
    /// What is differentiated of the losses of a batch.
    #[serde(default, skip_serializing_if = "LossReduction::is_mean")]
    pub loss_reduction: LossReduction,
    /// How activations and their gradients are stored. In 16 bits the loss is scaled.
    #[serde(default, skip_serializing_if = "Precision::is_f32")]
    pub precision: Precision,
    /// Parts in which the gradients of a batch are computed, one after the other, and summed: the
    /// memory of a smaller batch for the steps of a large one. Batch normalization sees parts.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub accumulate: usize,
    /// By what the best epoch is told, whose weights are kept. Default: as early stopping watches,
    /// else the accuracy on the validation split, or on the test split where there is no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_by: Option<Monitor>,
    /// Layers that stay as they are, by name; `*` stands for any text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freeze: Vec<String>,
    /// The data set.
    pub data: DataConfig,
    /// What happens to the images of a training batch.
    #[serde(default, skip_serializing_if = "AugmentConfig::is_none")]
    pub augment: AugmentConfig,
    /// The optimizer.
    #[serde(default)]
    pub optimizer: OptimizerConfig,
    /// How the learning rate changes.
    #[serde(default)]
    pub schedule: ScheduleConfig,
    /// Bounds of gradients.
    #[serde(default, skip_serializing_if = "Clipping::is_none")]
    pub clipping: Clipping,
    /// Factors on the learning rate of layers, by name as in `freeze`; the longest one counts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub learning_rate_factors: BTreeMap<String, f64>,
    /// When to lower the learning rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plateau: Option<PlateauConfig>,
    /// When to end the run early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<EarlyStoppingConfig>,
    /// Whether to evaluate and keep a moving average of the weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ema: Option<EmaConfig>,
    /// What the run may take.
    #[serde(default, skip_serializing_if = "Budget::is_none")]
    pub budget: Budget,
    /// How often the run is saved so that it can be resumed.
    #[serde(default, skip_serializing_if = "CheckpointConfig::is_default")]
    pub checkpoint: CheckpointConfig,
    /// Whether and when to count how weights and gradients are distributed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub histograms: Option<HistogramsConfig>,
    /// A well-known model, in place of layers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelConfig>,
    /// The model, from images to logits: written out in the recipe, or made from `model`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<Layer>,
}

const fn one() -> usize {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_one(n: &usize) -> bool {
    *n == 1
}

fn default_seed() -> u64 {
    1
}

fn yes() -> bool {
    true
}

impl Recipe {
    /// Reads a recipe from TOML text; `origin` is its file or name, for messages. `overrides` are
    /// `key=value` pairs, with dots for tables and numbers for list positions:
    /// `optimizer.learning_rate=0.01`, `layers.0.out_channels=16`.
    ///
    /// # Errors
    /// Names the line of an unknown key or a wrong value.
    pub fn parse(origin: &str, text: &str, overrides: &[String]) -> Result<Self, TrainError> {
        let fail = |message: String| TrainError::Recipe { recipe: origin.to_owned(), message };
        let recipe: Self = toml::from_str(text).map_err(|error| fail(error.to_string()))?;
        let mut recipe =
            if overrides.is_empty() { recipe } else { overrides::apply(text, overrides)? };
        match recipe.make_layers().and_then(|()| recipe.check()) {
            Ok(()) => Ok(recipe),
            Err(wrong) => Err(wrong.located(origin, text, overrides)),
        }
    }

    /// Finds a built-in recipe by name.
    ///
    /// # Errors
    /// When there is none of this name; the message lists them.
    pub fn builtin(name: &str, overrides: &[String]) -> Result<Self, TrainError> {
        let found = builtin_recipes().iter().find(|recipe| recipe.name == name);
        match found {
            Some(recipe) => Self::parse(recipe.name, recipe.text, overrides),
            None => {
                let names: Vec<&str> = builtin_recipes().iter().map(|r| r.name).collect();
                Err(TrainError::Recipe {
                    recipe: name.to_owned(),
                    message: format!(
                        "there is no built-in recipe of this name (there are {}), and it is no \
                         path to a .toml file",
                        names.join(", ")
                    ),
                })
            }
        }
    }

    /// The recipe as TOML text.
    ///
    /// # Errors
    /// When a value has no TOML form.
    pub fn to_toml(&self) -> Result<String, TrainError> {
        let mut recipe = self.clone();
        if recipe.model.is_some() {
            // They follow from the model.
            recipe.layers.clear();
        }
        // By way of a table: written directly, each type would be compiled for several serializers.
        let table = toml::Table::try_from(recipe).map_err(|error| TrainError::Recipe {
            recipe: self.name.clone(),
            message: error.to_string(),
        })?;
        Ok(table.to_string())
    }

    /// Whether an incomplete last batch is left out.
    pub fn drops_last(&self) -> bool {
        self.drop_last || self.layers.iter().any(Layer::normalizes_over_batch)
    }

    /// Makes the layers of `model`, and gives layers without a number of units one per class where
    /// the data set is known to have so many; for image folders, that waits for the folder.
    fn make_layers(&mut self) -> Result<(), Wrong> {
        if let Some(model) = &self.model {
            let wrong = |key: String, message| Err(Wrong { key, message });
            if !self.layers.is_empty() {
                let message = "give either a model or layers, not both".to_owned();
                return wrong("model".to_owned(), message);
            }
            model.check().or_else(|(key, message)| wrong(format!("model.{key}"), message))?;
            self.layers = model.plan().layers;
        }
        if let Some(classes) = self.data.dataset.classes() {
            self.layers = Layer::with_classes(&self.layers, classes);
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Wrong> {
        let wrong = |key: &str, message: String| Err(Wrong { key: key.to_owned(), message });
        let counts = [
            ("batch_size", self.batch_size),
            ("epochs", self.epochs as usize),
            ("layers", self.layers.len()),
        ];
        if let Some((key, _)) = counts.into_iter().find(|&(_, count)| count == 0) {
            return wrong(key, "must be at least 1".to_owned());
        }
        if !(0.0..1.0).contains(&self.label_smoothing) {
            let given = self.label_smoothing;
            return wrong("label_smoothing", format!("must lie in [0, 1), it is {given}"));
        }
        if self.name.is_empty() || self.name.contains(['/', '\\']) {
            return wrong("name", format!("{:?} must be usable as a folder name", self.name));
        }
        self.data.check().or_else(|error| wrong("data", error.to_string()))?;
        let centered = self.data.normalization.is_some() || self.data.mean.is_some();
        self.augment
            .check(centered)
            .or_else(|(key, what)| wrong(&format!("augment.{key}"), what))?;
        self.optimizer.check().or_else(|(key, what)| wrong(&format!("optimizer.{key}"), what))?;
        self.check_training()?;
        self.clipping.check().or_else(|(key, what)| wrong(&format!("clipping.{key}"), what))?;
        self.checkpoint.check().or_else(|(key, what)| wrong(&format!("checkpoint.{key}"), what))?;
        let histograms = self.histograms.map_or(Ok(()), |histograms| histograms.check());
        histograms.or_else(|(key, what)| wrong(&format!("histograms.{key}"), what))?;
        let rate = self.optimizer.learning_rate();
        self.schedule.check(rate).or_else(|error| wrong("schedule", error.message))
    }
}

/// A value that cannot be.
pub(super) struct Wrong {
    /// Its key, with dots for tables.
    pub key: String,
    /// What is wrong with it.
    pub message: String,
}

impl Wrong {
    /// The error, with the line of the recipe or the override that gave the value.
    fn located(self, origin: &str, text: &str, overrides: &[String]) -> TrainError {
        let Self { key, message } = self;
        let sets = |given: &&String| given.split_once('=').is_some_and(|(k, _)| k.trim() == key);
        if let Some(given) = overrides.iter().rev().find(sets) {
            return TrainError::Override { given: given.clone(), message };
        }
        let place = line_of(text, &key).map(|line| format!("line {line}: ")).unwrap_or_default();
        let message = format!("{place}{key}: {message}");
        TrainError::Recipe { recipe: origin.to_owned(), message }
    }
}

/// Line of a key, counted from one; of the innermost table around it where it is absent.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let mut table = document.get_ref();
    let mut start = None;
    for part in key.split('.') {
        let Some((name, value)) = table.iter().find(|(name, _)| name.get_ref() == part) else {
            break;
        };
        start = Some(name.span().start);
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            _ => break,
        }
    }
    Some(text.get(..start?)?.matches('\n').count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
name = "tiny"
epochs = 1
batch_size = 32

[data]
dataset = "synthetic-digits"

[optimizer]
type = "sgd"
learning_rate = 0.1

[[layers]]
type = "flatten"

[[layers]]
type = "dense"
units = 10
"#;

    #[test]
    fn a_recipe_survives_a_round_trip() {
        let recipe = Recipe::parse("tiny", TEXT, &[]).expect("valid");
        let again =
            Recipe::parse("again", &recipe.to_toml().expect("TOML"), &[]).expect("its own text");
        assert_eq!(recipe, again);
    }

    #[test]
    fn a_typo_is_reported_with_its_line() {
        let text = TEXT.replace("batch_size", "batch_sise");
        let error = Recipe::parse("tiny.toml", &text, &[]).expect_err("unknown key").to_string();
        assert!(error.contains("tiny.toml") && error.contains("line 4"), "{error}");
        assert!(error.contains("batch_sise") && error.contains("batch_size"), "{error}");
        let text = TEXT.replace("units", "unitz");
        let error = Recipe::parse("tiny.toml", &text, &[]).expect_err("unknown key").to_string();
        assert!(error.contains("line 1") && error.contains("unitz"), "{error}");
    }

    #[test]
    fn numbers_that_cannot_be_are_reported_with_their_line() {
        for (line, optimizer, key) in [
            (11, "type = \"adam\"\nlearning_rate = 0.0", "optimizer.learning_rate"),
            (12, "type = \"adam\"\nlearning_rate = 0.1\nbeta1 = 1.5", "optimizer.beta1"),
            (12, "type = \"adamw\"\nlearning_rate = 0.1\nbeta2 = -0.1", "optimizer.beta2"),
            (12, "type = \"rmsprop\"\nlearning_rate = 0.1\nepsilon = nan", "optimizer.epsilon"),
            (12, "type = \"sgd\"\nlearning_rate = 0.1\nnesterov = true", "optimizer.nesterov"),
            (
                13,
                "type = \"sgd\"\nlearning_rate = 0.1\n[clipping]\nby_norm = -1.0",
                "clipping.by_norm",
            ),
        ] {
            let text = TEXT.replace("type = \"sgd\"\nlearning_rate = 0.1", optimizer);
            let error = Recipe::parse("x.toml", &text, &[]).expect_err(optimizer).to_string();
            let expected = format!("recipe x.toml: line {line}: {key}: ");
            assert!(error.starts_with(&expected), "{error}, not {expected}");
        }
        let set = ["optimizer.momentum=inf".to_owned()];
        let error = Recipe::parse("x.toml", TEXT, &set).expect_err("infinite").to_string();
        assert!(error.starts_with("--set optimizer.momentum=inf: momentum must"), "{error}");
    }

    #[test]
    fn overrides_reach_tables_and_lists() {
        let set = ["layers.1.units=12", "optimizer.learning_rate=0.5", "data.first=100"];
        let recipe = Recipe::parse("tiny", TEXT, &set.map(str::to_owned)).expect("valid");
        assert!(matches!(recipe.layers[1], Layer::Dense { units: 12, .. }));
        assert_eq!(recipe.data.first, Some(100));
        for wrong in ["epochs", "nonsense=1", "layers.7.units=1", "epochs=many", "epochs.x=1"] {
            let error = Recipe::parse("tiny", TEXT, &[wrong.to_owned()]).expect_err("wrong");
            assert!(error.to_string().starts_with("--set"), "{error}");
        }
    }

    #[test]
    fn a_model_becomes_layers_and_stays_a_model_in_text() {
        let (head, _) = TEXT.split_once("[[layers]]").expect("layers");
        let text = format!("{head}[model]\ntype = \"vgg\"\nform = \"small\"\nwidth = 0.25\n");
        let deeper = ["model.depth=11".to_owned()];
        let recipe = Recipe::parse("vgg", &text, &deeper).expect("valid");
        assert!(matches!(recipe.layers.last(), Some(Layer::Dense { units: 10, .. })));
        let written = recipe.to_toml().expect("TOML");
        assert!(written.contains("depth = 11") && !written.contains("layers"), "{written}");
        assert_eq!(Recipe::parse("again", &written, &[]).expect("its own text"), recipe);

        let both = format!("{text}[[layers]]\ntype = \"flatten\"\n");
        let error = Recipe::parse("x.toml", &both, &[]).expect_err("model and layers").to_string();
        assert!(error.contains("line 13: model: give either"), "{error}");
        let wrong = text.replace("width = 0.25", "depth = 12");
        let error = Recipe::parse("x.toml", &wrong, &[]).expect_err("depth 12").to_string();
        assert!(error.contains("line 16: model.depth: must be 11, 13"), "{error}");
        let none = head.to_owned();
        let error = Recipe::parse("x.toml", &none, &[]).expect_err("no layers").to_string();
        assert!(error.contains("layers: must be at least 1"), "{error}");
    }

    #[test]
    fn a_dense_layer_without_units_has_one_per_class() {
        let text = TEXT.replace("units = 10\n", "");
        let units = |set: &str| {
            let recipe = Recipe::parse("x", &text, &[set.to_owned()]).expect("valid");
            match recipe.layers[1] {
                Layer::Dense { units, .. } => units,
                _ => panic!("a dense layer"),
            }
        };
        assert_eq!(units("data.dataset=cifar100"), 100);
        // An image folder tells only when it is read.
        assert_eq!(units("data.dataset=folder"), 0);
    }

    #[test]
    fn built_in_recipes_are_valid() {
        for recipe in builtin_recipes() {
            let parsed = Recipe::builtin(recipe.name, &[]).expect("built-in recipes are valid");
            assert_eq!(parsed.name, recipe.name);
            assert!(!parsed.description.is_empty());
        }
        let error = Recipe::builtin("nonsense", &[]).expect_err("unknown");
        assert!(error.to_string().contains("mnist-cnn"), "{error}");
    }
}
