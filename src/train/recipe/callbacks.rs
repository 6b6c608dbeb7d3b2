//! The sections `budget`, `early_stopping` and `plateau`: when a run ends, and when it slows down.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::monitor::Monitor;
/// What a run may take: section `budget` of a recipe. The epochs of the recipe remain a limit, and
/// the one that its schedule goes by.
///
/// ```toml
/// [budget]
/// minutes = 30.0
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Steps since the start of the run, exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub steps: Option<u64>,
    /// Minutes, all sessions of the run together. The run ends with the steps under way, so that
    /// how many there are is not the same each time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub minutes: Option<f64>,
}

impl Budget {
    /// Whether there is no limit.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// The time, where it is limited.
    pub fn time(&self) -> Option<Duration> {
        self.minutes.map(|minutes| Duration::from_secs_f64(60.0 * minutes))
    }

    /// The key that holds a number that cannot be, and what is wrong with it.
    pub(in crate::train) fn check(&self) -> Result<(), (&'static str, String)> {
        /// A hundred years.
        const MOST: f64 = 60.0 * 24.0 * 36_525.0;
        if self.steps == Some(0) {
            return Err(("steps", "must be at least 1".to_owned()));
        }
        match self.minutes {
            Some(minutes) if !(minutes > 0.0 && minutes < MOST) => {
                Err(("minutes", format!("must be positive, it is {minutes}")))
            }
            _ => Ok(()),
        }
    }
}

/// When to end a run early: section `early_stopping` of a recipe, with Keras' meaning.
///
/// ```toml
/// [early_stopping]
/// monitor = "test_loss"
/// patience = 5
/// restore_best = true
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EarlyStoppingConfig {
    /// The metric. Default: the loss on the validation split, or on the test split where there is
    /// no other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitor: Option<Monitor>,
    /// Epochs without improvement after which the run ends; zero and one are the same.
    pub patience: u32,
    /// By how much a metric must change to be an improvement.
    #[schemars(range(min = 0))]
    pub min_delta: f64,
    /// Whether the run ends with the weights of the best epoch instead of the last one's, also
    /// where it goes on to its last epoch.
    pub restore_best: bool,
}

impl Default for EarlyStoppingConfig {
    fn default() -> Self {
        Self { monitor: None, patience: 5, min_delta: 0.0, restore_best: false }
    }
}

/// When to lower the learning rate: section `plateau` of a recipe, with the meaning and the
/// defaults of Keras' `ReduceLROnPlateau`, `factor` apart.
///
/// ```toml
/// [plateau]
/// factor = 0.5
/// patience = 3
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PlateauConfig {
    /// The metric. Default: the loss on the validation split, or on the test split where there is
    /// no other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitor: Option<Monitor>,
    /// Factor on the rate, in (0, 1).
    #[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 1))]
    pub factor: f64,
    /// Epochs without improvement after which the rate is lowered.
    pub patience: u32,
    /// By how much a metric must change to be an improvement.
    #[schemars(range(min = 0))]
    pub min_delta: f64,
    /// Epochs after a change during which epochs without improvement do not count.
    pub cooldown: u32,
    /// The rate is not lowered below this; a schedule may do so.
    #[schemars(range(min = 0))]
    pub min_rate: f64,
}

impl Default for PlateauConfig {
    fn default() -> Self {
        let (monitor, factor, patience, min_delta) = (None, 0.5, 10, 1e-4);
        Self { monitor, factor, patience, min_delta, cooldown: 0, min_rate: 0.0 }
    }
}

impl PlateauConfig {
    /// The key that holds a number that cannot be, and what is wrong with it.
    pub(in crate::train) fn check(&self) -> Result<(), (&'static str, String)> {
        if !(self.factor > 0.0 && self.factor < 1.0) {
            return Err(("factor", format!("must lie between 0 and 1, it is {}", self.factor)));
        }
        if !(self.min_rate.is_finite() && self.min_rate >= 0.0) {
            return Err(("min_rate", format!("must not be negative, it is {}", self.min_rate)));
        }
        check_delta(self.min_delta).map_err(|message| ("min_delta", message))
    }
}

/// What is wrong with a `min_delta`.
pub(in crate::train) fn check_delta(min_delta: f64) -> Result<(), String> {
    if min_delta.is_finite() && min_delta >= 0.0 {
        Ok(())
    } else {
        Err(format!("must not be negative, it is {min_delta}"))
    }
}
