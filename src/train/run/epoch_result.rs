//! What a run tells while it goes on: where it stands, and what an epoch gave.

use std::time::Duration;

use crate::train::recipe::monitor::Monitor;
use crate::train::step::loss_scaling::LossScale;
use crate::train::step::metrics::Metrics;
use crate::train::store::records::histograms::HistogramRecord;
use crate::train::store::records::metrics::{EpochRecord, StepRecord};

/// Where training stands, between two submissions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Epoch, from one.
    pub epoch: u32,
    /// Steps of the run that were submitted.
    pub step: u64,
    /// Steps of this epoch that were submitted.
    pub step_in_epoch: u64,
    /// Steps of an epoch.
    pub steps_per_epoch: u64,
    /// Mean loss of the latest steps whose results have arrived.
    pub loss: f64,
    /// Accuracy over this epoch so far, as far as results have arrived.
    pub accuracy: f64,
    /// Images per second over this epoch, as far as it belongs to this session.
    pub images_per_second: f64,
    /// Time that the run has taken so far, all its sessions together.
    pub run_time: Duration,
}

/// Loss and learning rate of one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepLoss {
    /// Step, from zero.
    pub step: u64,
    /// Mean loss of the batch.
    pub loss: f32,
    /// Learning rate.
    pub learning_rate: f32,
}

impl StepLoss {
    /// The row of `steps.csv`, which counts steps from one.
    pub fn record(&self) -> StepRecord {
        let Self { step, loss, learning_rate } = *self;
        StepRecord { step: step + 1, loss, learning_rate }
    }
}

/// What an epoch gave, or the part of one after which a run was ended.
#[derive(Debug, Clone, PartialEq)]
pub struct EpochResult {
    /// Epoch, from one.
    pub epoch: u32,
    /// Steps completed since the start.
    pub steps: u64,
    /// Loss and accuracy on the training set, while it was trained on.
    pub train: Metrics,
    /// On the validation set, where there is one.
    pub validation: Option<Metrics>,
    /// On the test set.
    pub test: Metrics,
    /// Duration of the training part; evaluation and pauses between sessions are not in it.
    pub train_time: Duration,
    /// Images per second of the training part.
    pub images_per_second: f64,
    /// Whether this is the best epoch so far, by what the recipe goes by.
    pub best: bool,
    /// Loss and learning rate of each step.
    pub step_losses: Vec<StepLoss>,
    /// Where loss scaling stands, if activations have 16 bits.
    pub loss_scale: Option<LossScale>,
    /// How weights and gradients were distributed in its last step, where the recipe asks.
    pub histograms: Vec<HistogramRecord>,
}

impl EpochResult {
    /// As a row of `metrics.csv`.
    pub fn record(&self) -> EpochRecord {
        // None of a model that does not classify.
        let accuracy = |metrics: Metrics| Some(metrics.accuracy).filter(|share| !share.is_nan());
        EpochRecord {
            epoch: self.epoch,
            step: self.steps,
            train_loss: self.train.loss,
            train_accuracy: self.train.accuracy,
            validation_loss: self.validation.map(|metrics| metrics.loss),
            validation_accuracy: self.validation.and_then(accuracy),
            test_loss: Some(self.test.loss),
            test_accuracy: accuracy(self.test),
            learning_rate: self.step_losses.last().map_or(0.0, |s| f64::from(s.learning_rate)),
            seconds: self.train_time.as_secs_f64(),
            images_per_second: self.images_per_second,
            loss_scale: self.loss_scale.map(|scaling| f64::from(scaling.scale)),
            skipped_steps: self.loss_scale.map(|scaling| scaling.skipped),
        }
    }
}

impl Monitor {
    /// Its value in an epoch; none where the run lacks the split.
    pub fn value(self, result: &EpochResult) -> Option<f64> {
        match self {
            Self::ValidationLoss => result.validation.map(|metrics| metrics.loss),
            Self::ValidationAccuracy => result.validation.map(|metrics| metrics.accuracy),
            Self::TestLoss => Some(result.test.loss),
            Self::TestAccuracy => Some(result.test.accuracy),
            Self::TrainLoss => Some(result.train.loss),
            Self::TrainAccuracy => Some(result.train.accuracy),
        }
    }
}
