//! The rows of `metrics.csv`, one per epoch, and of `steps.csv`, one per step.

use serde::{Deserialize, Serialize};

use super::csv::{CsvRow, null_is_nan, number, optional, parse_optional};

/// What one epoch achieved. Accuracies are fractions between 0 and 1; a data split that the run
/// does not have is `None`.
///
/// CSV keeps NaN and infinities. JSON has neither: there they become `null` and are read back as
/// NaN, or as `None` in an optional field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochRecord {
    /// Number of the epoch, from 1.
    pub epoch: u32,
    /// Training steps completed so far.
    pub step: u64,
    /// Mean loss over the epoch's training batches.
    #[serde(deserialize_with = "null_is_nan")]
    pub train_loss: f64,
    /// Share of training examples that were classified correctly as they were trained on.
    #[serde(deserialize_with = "null_is_nan")]
    pub train_accuracy: f64,
    /// Mean loss on the validation split after the epoch.
    pub validation_loss: Option<f64>,
    /// Accuracy on the validation split after the epoch.
    pub validation_accuracy: Option<f64>,
    /// Mean loss on the test split after the epoch.
    pub test_loss: Option<f64>,
    /// Accuracy on the test split after the epoch.
    pub test_accuracy: Option<f64>,
    /// Learning rate of the epoch's last step.
    #[serde(deserialize_with = "null_is_nan")]
    pub learning_rate: f64,
    /// Duration of the epoch's training in seconds, evaluation not included.
    #[serde(deserialize_with = "null_is_nan")]
    pub seconds: f64,
    /// Training throughput of the epoch.
    #[serde(deserialize_with = "null_is_nan")]
    pub images_per_second: f64,
    /// Factor on the loss after the epoch, where activations have 16 bits.
    pub loss_scale: Option<f64>,
    /// Steps so far that overflowed and changed no weight, where activations have 16 bits.
    pub skipped_steps: Option<u32>,
}

/// The loss of one training step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepRecord {
    /// Number of the step, from 1.
    pub step: u64,
    /// Mean loss of its batch.
    pub loss: f32,
    /// Learning rate.
    pub learning_rate: f32,
}

impl CsvRow for EpochRecord {
    const COLUMNS: &'static [&'static str] = &[
        "epoch",
        "step",
        "train_loss",
        "train_accuracy",
        "validation_loss",
        "validation_accuracy",
        "test_loss",
        "test_accuracy",
        "learning_rate",
        "seconds",
        "images_per_second",
        "loss_scale",
        "skipped_steps",
    ];

    fn fields(&self) -> Vec<String> {
        vec![
            self.epoch.to_string(),
            self.step.to_string(),
            number(self.train_loss),
            number(self.train_accuracy),
            optional(self.validation_loss),
            optional(self.validation_accuracy),
            optional(self.test_loss),
            optional(self.test_accuracy),
            number(self.learning_rate),
            number(self.seconds),
            number(self.images_per_second),
            optional(self.loss_scale),
            self.skipped_steps.map(|steps| steps.to_string()).unwrap_or_default(),
        ]
    }

    fn from_fields(fields: &[&str]) -> Option<Self> {
        let &[
            epoch,
            step,
            train_loss,
            train_accuracy,
            validation_loss,
            validation_accuracy,
            test_loss,
            test_accuracy,
            learning_rate,
            seconds,
            images_per_second,
            loss_scale,
            skipped_steps,
        ] = fields
        else {
            return None;
        };
        Some(Self {
            epoch: epoch.parse().ok()?,
            step: step.parse().ok()?,
            train_loss: train_loss.parse().ok()?,
            train_accuracy: train_accuracy.parse().ok()?,
            validation_loss: parse_optional(validation_loss)?,
            validation_accuracy: parse_optional(validation_accuracy)?,
            test_loss: parse_optional(test_loss)?,
            test_accuracy: parse_optional(test_accuracy)?,
            learning_rate: learning_rate.parse().ok()?,
            seconds: seconds.parse().ok()?,
            images_per_second: images_per_second.parse().ok()?,
            loss_scale: parse_optional(loss_scale)?,
            skipped_steps: parse_optional(skipped_steps)?,
        })
    }
}

impl CsvRow for StepRecord {
    const COLUMNS: &'static [&'static str] = &["step", "loss", "learning_rate"];

    fn fields(&self) -> Vec<String> {
        vec![self.step.to_string(), format!("{:?}", self.loss), format!("{:?}", self.learning_rate)]
    }

    fn from_fields(fields: &[&str]) -> Option<Self> {
        let &[step, loss, learning_rate] = fields else { return None };
        Some(Self {
            step: step.parse().ok()?,
            loss: loss.parse().ok()?,
            learning_rate: learning_rate.parse().ok()?,
        })
    }
}
