//! The recipe: everything that decides a training run, section by section, and what follows from it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::augment::AugmentConfig;
use super::callbacks::{Budget, EarlyStoppingConfig, PlateauConfig};
use super::checkpoint::CheckpointConfig;
use super::class_weights::ClassWeightsConfig;
use super::ema::EmaConfig;
use super::histograms::HistogramsConfig;
use super::log::LogConfig;
use super::loss::Loss;
use super::loss_reduction::LossReduction;
use super::monitor::Monitor;
use super::optimizer::{Clipping, OptimizerConfig};
use super::sampler::Sampler;
use super::schedule::ScheduleConfig;
use crate::data::{Crops, DataConfig};
use crate::nn::{Layer, LayerRates, ModelConfig, Precision};

/// Everything that decides a training run. The same recipe on the same device and driver gives the
/// same bits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["layers"] }, { "required": ["model"] }]))]
pub struct Recipe {
    /// Name, for the run directory.
    #[schemars(extend("pattern" = "^[^/\\\\]+$"))]
    pub name: String,
    /// What it is, in a sentence.
    #[serde(default)]
    pub description: String,
    /// Seed of initial weights, order of examples and dropout: below 2^64, in quotes from 2^63 on.
    #[serde(default = "default_seed", with = "crate::tensor::seed")]
    #[schemars(schema_with = "crate::tensor::seed::schema")]
    pub seed: u64,
    /// Passes over the training set; with 0, initial weights are evaluated and kept as they are.
    pub epochs: u32,
    /// Images per step.
    #[schemars(range(min = 1))]
    pub batch_size: usize,
    /// Whether each epoch has an order of its own.
    #[serde(default = "yes")]
    pub shuffle: bool,
    /// How often an epoch trains on each example: `plain`, or `balanced` by class.
    #[serde(default, skip_serializing_if = "Sampler::is_plain")]
    #[schemars(!skip_serializing_if)]
    pub sampler: Sampler,
    /// Whether an incomplete last batch is left out. Always so with batch normalization, whose
    /// statistics it would distort.
    #[serde(default)]
    pub drop_last: bool,
    /// Part of the target that is spread over all classes, in [0, 1).
    #[serde(default)]
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub label_smoothing: f32,
    /// How much examples count in the loss, by their class: `"balanced"` by how rare they are, a number for
    /// each class, or numbers by name. The mean of a batch is weighted, as PyTorch's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_weights: Option<ClassWeightsConfig>,
    /// What training makes small. Default: cross-entropy; the mean squared error for `task = "regression"`,
    /// binary cross-entropy for `"multi_label"`.
    #[serde(default, skip_serializing_if = "Loss::is_cross_entropy")]
    #[schemars(!skip_serializing_if)]
    pub loss: Loss,
    /// What is differentiated of the losses of a batch.
    #[serde(default, skip_serializing_if = "LossReduction::is_mean")]
    #[schemars(!skip_serializing_if)]
    pub loss_reduction: LossReduction,
    /// How activations and their gradients are stored. In 16 bits the loss is scaled.
    #[serde(default, skip_serializing_if = "Precision::is_f32")]
    #[schemars(!skip_serializing_if)]
    pub precision: Precision,
    /// Parts in which the gradients of a batch are computed, one after the other, and summed: the
    /// memory of a smaller batch for the steps of a large one. Batch normalization sees parts.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    #[schemars(!skip_serializing_if, range(min = 1))]
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
    #[schemars(extend("additionalProperties" = { "type": "number", "exclusiveMinimum": 0 }))]
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
    /// What is written of the run for other programs.
    #[serde(default, skip_serializing_if = "LogConfig::is_default")]
    pub log: LogConfig,
    /// A well-known model, in place of layers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelConfig>,
    /// The model, from images to logits: written out in the recipe, or made from `model`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1))]
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
    /// Whether an incomplete last batch is left out.
    pub fn drops_last(&self) -> bool {
        self.drop_last || self.layers.iter().any(Layer::normalizes_over_batch)
    }

    /// Whether examples are held out for validation.
    pub fn has_validation(&self) -> bool {
        self.data.has_validation()
    }

    /// A callback's metric: the loss on what is held out where none is given.
    pub fn monitor_or_loss(&self, monitor: Option<Monitor>) -> Monitor {
        monitor.unwrap_or(Monitor::loss_of_held_out(self.has_validation()))
    }

    /// By what the best epoch is told, and how much better it must be: as early stopping watches,
    /// or by accuracy on what is held out.
    pub fn best_by(&self) -> (Monitor, f64) {
        match (self.best_by, &self.early_stopping) {
            (Some(monitor), _) => (monitor, 0.0),
            (None, Some(rule)) => (self.monitor_or_loss(rule.monitor), rule.min_delta),
            (None, None) if self.loss.is_cross_entropy() => {
                (Monitor::accuracy_of_held_out(self.has_validation()), 0.0)
            }
            (None, None) => (Monitor::loss_of_held_out(self.has_validation()), 0.0),
        }
    }

    /// Callbacks that decide by the test split, by the names of their sections.
    pub fn looks_at_test(&self) -> Vec<&'static str> {
        let early = self.early_stopping.as_ref().map(|rule| ("early_stopping", rule.monitor));
        let plateau = self.plateau.as_ref().map(|rule| ("plateau", rule.monitor));
        let looking = [early, plateau].into_iter().flatten();
        looking
            .filter(|(_, monitor)| self.monitor_or_loss(*monitor).looks_at_test())
            .map(|(section, _)| section)
            .collect()
    }

    /// Which layers learn at another rate or not at all.
    pub fn layer_rates(&self) -> LayerRates {
        LayerRates { frozen: self.freeze.clone(), factors: self.learning_rate_factors.clone() }
    }

    /// What may keep a loss from growing without bounds, and is not set yet.
    pub fn advice_if_diverged(&self) -> String {
        let rate = self.optimizer.learning_rate();
        let mut advice = vec![format!("lower the learning rate (it is {rate})")];
        if self.clipping.by_norm.is_none() && self.clipping.by_value.is_none() {
            advice.push("clip gradients ([clipping] by_norm = 1.0)".to_owned());
        }
        if !self.schedule.warms_up() {
            advice.push("warm up ([schedule] warmup_steps = 500)".to_owned());
        }
        if !self.precision.is_f32() {
            advice.push("train in 32 bits (precision = \"f32\")".to_owned());
        }
        advice.join(", or ")
    }

    /// Which parts of pictures an epoch trains on, where they are drawn.
    pub fn crops(&self, epoch: u32) -> Option<Crops> {
        let crop = self.augment.random_resized_crop?;
        Some(Crops { crop, seed: self.seed, epoch })
    }

    /// Images per batch of an evaluation: a part of a batch has to fit into memory, not all of it.
    pub fn evaluation_batch(&self) -> usize {
        self.batch_size.div_ceil(self.accumulate.max(1))
    }
}
