//! The metric that a callback watches, and what counts as an improvement of it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A metric of an epoch: losses are the better the lower they are, accuracies the higher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Monitor {
    /// Loss on the validation split.
    ValidationLoss,
    /// Accuracy on the validation split.
    ValidationAccuracy,
    /// Loss on the test split.
    TestLoss,
    /// Accuracy on the test split.
    TestAccuracy,
    /// Loss on the training split, while it was trained on.
    TrainLoss,
    /// Accuracy on the training split, while it was trained on.
    TrainAccuracy,
}

impl Monitor {
    /// The loss on the validation split, or on the test split where there is no other.
    pub const fn loss_of_held_out(has_validation: bool) -> Self {
        if has_validation { Self::ValidationLoss } else { Self::TestLoss }
    }

    /// The accuracy on the validation split, or on the test split where there is no other.
    pub const fn accuracy_of_held_out(has_validation: bool) -> Self {
        if has_validation { Self::ValidationAccuracy } else { Self::TestAccuracy }
    }

    /// Whether it needs a validation split.
    pub const fn needs_validation(self) -> bool {
        matches!(self, Self::ValidationLoss | Self::ValidationAccuracy)
    }

    /// Whether it is an accuracy.
    pub const fn is_accuracy(self) -> bool {
        matches!(self, Self::ValidationAccuracy | Self::TestAccuracy | Self::TrainAccuracy)
    }

    /// Whether it looks at the test split.
    pub const fn looks_at_test(self) -> bool {
        matches!(self, Self::TestLoss | Self::TestAccuracy)
    }

    /// Whether `value` is better than `best` by more than `min_delta`. Any number is better than
    /// none; what is no number is never better.
    pub fn improves(self, value: f64, best: Option<f64>, min_delta: f64) -> bool {
        match (self, best) {
            _ if value.is_nan() => false,
            (_, None) => true,
            (Self::ValidationLoss | Self::TestLoss | Self::TrainLoss, Some(best)) => {
                value + min_delta < best
            }
            (Self::ValidationAccuracy | Self::TestAccuracy | Self::TrainAccuracy, Some(best)) => {
                value - min_delta > best
            }
        }
    }
}

impl fmt::Display for Monitor {
    /// Its name in recipes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ValidationLoss => "validation_loss",
            Self::ValidationAccuracy => "validation_accuracy",
            Self::TestLoss => "test_loss",
            Self::TestAccuracy => "test_accuracy",
            Self::TrainLoss => "train_loss",
            Self::TrainAccuracy => "train_accuracy",
        })
    }
}
