//! How a model is trained, and what it achieved.

use std::collections::BTreeMap;

use super::error::ModelError;
use crate::data::{DataConfig, Dataset, Splits, Statistics};
use crate::nn::{Layer, Precision};
use crate::tensor::HostTensor;
use crate::train::{
    AugmentConfig, ClassWeightsConfig, Clipping, EarlyStoppingConfig, EmaConfig, EpochResult, Hook,
    Loss, LossReduction, Metrics, Observer, ObserverError, OptimizerConfig, PlateauConfig,
    Progress, Recipe, RunError, Sampler, ScheduleConfig, Stop, StopReason, TrainError, Trainer,
};

/// How a model is trained: give what matters, and take the rest from [`Fit::default`].
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// Passes over the data; 5 by default.
    pub epochs: u32,
    /// Examples per step; 64 by default. An epoch's last batch may be smaller.
    pub batch_size: usize,
    /// The optimizer; Adam with a rate of 1e-3 by default.
    pub optimizer: OptimizerConfig,
    /// How the learning rate changes; not at all by default.
    pub schedule: ScheduleConfig,
    /// Data to look at after each epoch, and to choose the best epoch by; none by default.
    pub validation: Option<Dataset>,
    /// Seed of the order of examples, of dropout and of augmentation; 1 by default.
    pub seed: u64,
    /// Whether each epoch has an order of its own; yes by default.
    pub shuffle: bool,
    /// Whether an incomplete last batch is left out; always so with batch normalization.
    pub drop_last: bool,
    /// Part of the target that is spread over all classes, in [0, 1); 0 by default.
    pub label_smoothing: f32,
    /// How much examples count in the loss, by their class; all alike by default.
    pub class_weights: Option<ClassWeightsConfig>,
    /// What happens to 8-bit images of a training batch; nothing by default.
    pub augment: AugmentConfig,
    /// Whether 8-bit images are brought to mean zero and unit variance by those of the training set; by
    /// default they are divided by 255.
    pub normalization: Option<Statistics>,
    /// Bounds of gradients; none by default.
    pub clipping: Clipping,
    /// When to end early; never by default.
    pub early_stopping: Option<EarlyStoppingConfig>,
    /// When to lower the learning rate; never by default.
    pub plateau: Option<PlateauConfig>,
    /// Whether to evaluate and keep a moving average of the weights; no by default.
    pub ema: Option<EmaConfig>,
    /// Layers that stay as they are, by name (`conv1`); `*` stands for any text.
    pub freeze: Vec<String>,
    /// Factors on the learning rate of layers, by name.
    pub learning_rate_factors: BTreeMap<String, f64>,
    /// How activations are stored; in 32 bits by default.
    pub precision: Precision,
    /// Parts in which the gradients of a batch are computed: less memory; 1 by default.
    pub accumulate: usize,
}

impl Default for Fit {
    fn default() -> Self {
        Self {
            epochs: 5,
            batch_size: 64,
            optimizer: OptimizerConfig::default(),
            schedule: ScheduleConfig::default(),
            validation: None,
            seed: 1,
            shuffle: true,
            drop_last: false,
            label_smoothing: 0.0,
            class_weights: None,
            augment: AugmentConfig::default(),
            normalization: None,
            clipping: Clipping::default(),
            early_stopping: None,
            plateau: None,
            ema: None,
            freeze: Vec::new(),
            learning_rate_factors: BTreeMap::new(),
            precision: Precision::F32,
            accumulate: 1,
        }
    }
}

impl Fit {
    /// As a recipe has it, with layers and a loss.
    pub(super) fn recipe(
        &self,
        layers: &[Layer],
        loss: &Loss,
        train: &Dataset,
    ) -> Result<Recipe, ModelError> {
        let fit = self.clone();
        #[expect(clippy::cast_precision_loss, reason = "numbers of examples are below 2^53")]
        let validation = self.validation.as_ref().map_or(0.0, |set| {
            let (held_out, trained) = (set.len() as f64, train.len() as f64);
            held_out / (held_out + trained)
        });
        let normalization = self.normalization.filter(|_| train.examples.is_none());
        let recipe = Recipe {
            name: "fit".to_owned(),
            description: String::new(),
            seed: fit.seed,
            epochs: fit.epochs,
            batch_size: fit.batch_size,
            shuffle: fit.shuffle,
            sampler: Sampler::Plain,
            drop_last: fit.drop_last,
            label_smoothing: fit.label_smoothing,
            class_weights: fit.class_weights,
            loss: loss.clone(),
            loss_reduction: LossReduction::Mean,
            precision: fit.precision,
            accumulate: fit.accumulate,
            best_by: None,
            freeze: fit.freeze,
            data: DataConfig { validation, normalization, ..DataConfig::default() },
            augment: fit.augment,
            optimizer: fit.optimizer,
            schedule: fit.schedule,
            clipping: fit.clipping,
            learning_rate_factors: fit.learning_rate_factors,
            plateau: fit.plateau,
            early_stopping: fit.early_stopping,
            ema: fit.ema,
            budget: Default::default(),
            checkpoint: Default::default(),
            histograms: None,
            log: Default::default(),
            model: None,
            layers: layers.to_vec(),
        };
        recipe.check_training_in_code()?;
        Ok(recipe)
    }

    /// The parts of the data. A run also reports on a test set: here, that is one example, which nobody
    /// looks at.
    pub(super) fn splits(&self, train: &Dataset) -> Result<Splits, ModelError> {
        let test = train.subset(&[0])?;
        let (train, validation) = (train.clone(), self.validation.clone());
        Ok(Splits { train, validation, test, account: Default::default() })
    }
}

/// What an epoch achieved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Epoch {
    /// Epoch, from one.
    pub epoch: u32,
    /// Mean loss while it trained.
    pub loss: f64,
    /// Part of the labels that were the most likely class while it trained, in [0, 1]; none where examples
    /// are not of one class.
    pub accuracy: Option<f64>,
    /// Loss on the validation data, where there are such.
    pub validation_loss: Option<f64>,
    /// Accuracy on the validation data, in [0, 1].
    pub validation_accuracy: Option<f64>,
    /// Seconds of training; those of the evaluation are not in it.
    pub seconds: f64,
}

/// An accuracy, where there is one.
pub(super) fn accuracy(metrics: Metrics) -> Option<f64> {
    Some(metrics.accuracy).filter(|accuracy| !accuracy.is_nan())
}

impl Epoch {
    fn of(result: &EpochResult) -> Self {
        Self {
            epoch: result.epoch,
            loss: result.train.loss,
            accuracy: accuracy(result.train),
            validation_loss: result.validation.map(|metrics| metrics.loss),
            validation_accuracy: result.validation.and_then(accuracy),
            seconds: result.train_time.as_secs_f64(),
        }
    }
}

/// What a training achieved, epoch by epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// The epochs; at least one.
    pub epochs: Vec<Epoch>,
    /// Why it ended.
    pub stopped: StopReason,
}

impl History {
    /// The last epoch.
    ///
    /// # Panics
    /// Never: a training without an epoch gives an error, not a history.
    pub fn last(&self) -> &Epoch {
        self.epochs.last().expect("there is at least one epoch")
    }
}

/// Tells of epochs as they end.
struct Listener<'a> {
    epochs: Vec<Epoch>,
    each: &'a mut dyn FnMut(&Epoch),
}

impl Observer for Listener<'_> {
    fn progress(&mut self, _: &Progress) {}

    fn epoch(
        &mut self,
        result: &EpochResult,
        _: &[(String, HostTensor)],
    ) -> Result<(), ObserverError> {
        let epoch = Epoch::of(result);
        (self.each)(&epoch);
        self.epochs.push(epoch);
        Ok(())
    }
}

/// Trains to the end; tells what was achieved, and the weights.
pub(super) fn run(
    trainer: &mut Trainer<'_>,
    hooks: Vec<Box<dyn Hook>>,
    each: &mut dyn FnMut(&Epoch),
) -> Result<History, ModelError> {
    hooks.into_iter().for_each(|hook| trainer.add_hook(hook));
    let mut listener = Listener { epochs: Vec::new(), each };
    let Stop { reason, .. } = trainer.run(&mut listener)?;
    if listener.epochs.is_empty() {
        let message = format!("the training ended before its first epoch: {reason}");
        let recipe = "fit".to_owned();
        return Err(RunError::Train(TrainError::Recipe { recipe, message }).into());
    }
    Ok(History { epochs: listener.epochs, stopped: reason })
}
