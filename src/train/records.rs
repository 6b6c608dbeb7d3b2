//! The rows of a run's metrics files: one per epoch, one per step.
//!
//! Written without a CSV library: every field is a number, so nothing needs quoting.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::data::{DataConfig, DataError, Normalization};

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

/// What a trained model takes and gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRecord {
    /// Height, width and channels of an image.
    pub image: [usize; 3],
    /// Names of the classes.
    pub classes: Vec<String>,
    /// How pixels become numbers; runs of older versions leave it to their recipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalization: Option<Normalization>,
}

impl ModelRecord {
    /// How pixels become numbers, in the run of a recipe with this data section.
    ///
    /// # Errors
    /// When neither the record nor the recipe says, or the numbers do not fit the images.
    pub fn normalization_in(&self, data: &DataConfig) -> Result<Normalization, DataError> {
        let [height, width, channels] = self.image;
        match &self.normalization {
            Some(numbers) => {
                let (mean, std) = (numbers.mean.clone(), numbers.std.clone());
                let one_each =
                    if mean.len() == channels { channels } else { height * width * channels };
                Normalization::new(one_each, mean, std)
            }
            None => data.normalization(channels),
        }
    }
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

/// A record that is one line of a CSV file.
pub(super) trait CsvRow: Sized {
    /// Names of the columns.
    const COLUMNS: &'static [&'static str];

    /// The fields, in the order of the columns.
    fn fields(&self) -> Vec<String>;

    /// Reads the fields back; `None` when their number or one of them is wrong.
    fn from_fields(fields: &[&str]) -> Option<Self>;
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

/// The first line of a CSV file of `R`, with its newline.
pub(super) fn header<R: CsvRow>() -> String {
    R::COLUMNS.join(",") + "\n"
}

/// The lines of `rows`, each with its newline.
pub(super) fn lines<R: CsvRow>(rows: &[R]) -> String {
    rows.iter().map(|row| row.fields().join(",") + "\n").collect()
}

/// Reads the rows of a CSV file. A last line without a newline was cut off when a run was killed,
/// and is left out.
///
/// # Errors
/// The number of the first line, from 1, that is not what [`lines`] writes.
pub(super) fn parse<R: CsvRow>(text: &str) -> Result<Vec<R>, usize> {
    let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
    let mut rows = Vec::new();
    for (index, line) in whole.lines().enumerate() {
        let fields: Vec<&str> = line.split(',').collect();
        if index > 0 {
            rows.push(R::from_fields(&fields).ok_or(index + 1)?);
        } else if fields != R::COLUMNS {
            return Err(1);
        }
    }
    Ok(rows)
}

/// The shortest text that reads back as the same number; NaN and infinities as `NaN` and `inf`.
fn number(value: f64) -> String {
    // Unlike `{}`, this switches to an exponent rather than write out hundreds of digits.
    format!("{value:?}")
}

fn optional(value: Option<f64>) -> String {
    value.map(number).unwrap_or_default()
}

/// An empty field is `Some(None)`.
fn parse_optional<T: FromStr>(field: &str) -> Option<Option<T>> {
    if field.is_empty() { Some(None) } else { field.parse().ok().map(Some) }
}

pub(super) fn null_is_nan<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> EpochRecord {
        EpochRecord {
            epoch: 3,
            step: 1407,
            train_loss: 0.1 + 0.2,
            train_accuracy: 1e-300,
            validation_loss: None,
            validation_accuracy: Some(0.5),
            test_loss: Some(f64::INFINITY),
            test_accuracy: None,
            learning_rate: 0.001,
            seconds: 12.0,
            images_per_second: f64::NEG_INFINITY,
            loss_scale: Some(32768.0),
            skipped_steps: Some(1),
        }
    }

    #[test]
    fn csv_keeps_every_number_exactly() {
        let rows = vec![record(), EpochRecord { train_loss: f64::NAN, ..record() }];
        let text = header::<EpochRecord>() + &lines(&rows);
        let read: Vec<EpochRecord> = parse(&text).expect("what was written");
        assert_eq!(read[0], rows[0]);
        assert!(read[1].train_loss.is_nan());
        let line = text.lines().nth(1).expect("a row");
        assert_eq!(line, "3,1407,0.30000000000000004,1e-300,,0.5,inf,,0.001,12.0,-inf,32768.0,1");
    }

    #[test]
    fn json_has_null_where_a_number_is_not_finite() {
        let json = serde_json::to_value(record()).expect("numbers only");
        assert!(json["test_loss"].is_null() && json["images_per_second"].is_null());
        let read: EpochRecord = serde_json::from_value(json).expect("what was written");
        assert!(read.images_per_second.is_nan());
        assert_eq!((read.test_loss, read.epoch), (None, 3));
    }

    #[test]
    fn columns_are_the_json_keys() {
        let json = serde_json::to_value(record()).expect("numbers only");
        let mut keys: Vec<_> = json.as_object().expect("an object").keys().collect();
        let mut columns = EpochRecord::COLUMNS.to_vec();
        keys.sort();
        columns.sort_unstable();
        assert_eq!(keys, columns);
    }

    #[test]
    fn a_cut_last_line_is_left_out_and_others_are_errors() {
        let good = "step,loss,learning_rate\n1,2.5,0.1\n";
        assert_eq!(parse::<StepRecord>(&format!("{good}2,1.")).expect("one row").len(), 1);
        assert_eq!(parse::<StepRecord>(&format!("{good}2,x,0.1\n")), Err(3));
        assert_eq!(parse::<StepRecord>("loss\n"), Err(1));
        assert_eq!(parse::<StepRecord>(""), Ok(vec![]));
    }
}
