//! The section `ema`: whether a moving average of the weights is evaluated.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A moving average of the weights, which evaluation uses and weight files keep: section `ema`.
/// Running statistics are not averaged.
///
/// ```toml
/// [ema]
/// decay = 0.999
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmaConfig {
    /// Part of the average that stays after a step; in the first steps less does, at most
    /// `(1 + steps) / (10 + steps)`.
    #[serde(default = "ema_decay")]
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub decay: f64,
}

const fn ema_decay() -> f64 {
    0.999
}
