//! Lowers the learning rate when a metric no longer improves.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::monitor::Monitor;
use super::restored;
use crate::exec::Executor;
use crate::tensor::Real;
use crate::train::TrainError;
use crate::train::hook::{EpochDone, Flow, Hook};

/// Name of the device state `[1]` that every step multiplies its learning rate by.
pub(in crate::train) const RATE_FACTOR: &str = "rate_factor";

/// When to lower the learning rate: section `plateau` of a recipe, with the meaning and the
/// defaults of Keras' `ReduceLROnPlateau`, `factor` apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlateauConfig {
    /// The metric. Default: the loss on the validation split, or on the test split where there is
    /// no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitor: Option<Monitor>,
    /// Factor on the rate, in (0, 1).
    #[serde(default = "factor")]
    pub factor: f64,
    /// Epochs without improvement after which the rate is lowered.
    #[serde(default = "patience")]
    pub patience: u32,
    /// By how much a metric must change to be an improvement.
    #[serde(default = "min_delta")]
    pub min_delta: f64,
    /// Epochs after a change during which epochs without improvement do not count.
    #[serde(default)]
    pub cooldown: u32,
    /// The rate is not lowered below this; a schedule may do so.
    #[serde(default)]
    pub min_rate: f64,
}

const fn factor() -> f64 {
    0.5
}
const fn patience() -> u32 {
    10
}
const fn min_delta() -> f64 {
    1e-4
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
        super::check_delta(self.min_delta).map_err(|message| ("min_delta", message))
    }
}

/// The rule, apart from where its values come from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    /// The best value so far.
    best: Option<f64>,
    /// Epochs since it, or since the last change.
    wait: u32,
    /// Epochs left that do not count.
    cooldown: u32,
    /// What the base rate is multiplied by.
    factor: f64,
}

impl State {
    const START: Self = Self { best: None, wait: 0, cooldown: 0, factor: 1.0 };

    /// Takes note of an epoch that gave `value`; `base` is the rate at a factor of one.
    fn note(&mut self, rule: &PlateauConfig, by: Monitor, base: f64, value: f64) {
        if self.cooldown > 0 {
            self.cooldown -= 1;
            self.wait = 0;
        }
        if by.improves(value, self.best, rule.min_delta) {
            self.best = Some(value);
            self.wait = 0;
        } else if self.cooldown == 0 {
            self.wait += 1;
            if self.wait >= rule.patience && base * self.factor > rule.min_rate {
                self.factor = (self.factor * rule.factor).max(rule.min_rate / base);
                self.cooldown = rule.cooldown;
                self.wait = 0;
            }
        }
    }
}

/// Lowers the learning rate when a metric no longer improves.
#[derive(Debug)]
pub(super) struct Plateau {
    rule: PlateauConfig,
    monitor: Monitor,
    base: f64,
    state: State,
}

impl Plateau {
    pub fn new(rule: &PlateauConfig, monitor: Monitor, base: f32) -> Self {
        Self { rule: rule.clone(), monitor, base: f64::from(base), state: State::START }
    }
}

impl Hook for Plateau {
    fn name(&self) -> &'static str {
        "plateau"
    }

    fn after_epoch(
        &mut self,
        done: &EpochDone<'_>,
        device: &mut dyn Executor,
    ) -> Result<Flow, TrainError> {
        let Some(value) = self.monitor.value(done.result) else { return Ok(Flow::Continue) };
        let before = self.state.factor;
        self.state.note(&self.rule, self.monitor, self.base, value);
        if self.state.factor < before {
            let rate = self.base * self.state.factor;
            log::info!("{} has not improved: the rate becomes {rate:.3e}", self.monitor);
            let factor = f32::from_f64(self.state.factor);
            device.write(RATE_FACTOR, 0, &factor.to_le_bytes())?;
        }
        Ok(Flow::Continue)
    }

    fn state(&self) -> Value {
        serde_json::to_value(self.state).unwrap_or_default()
    }

    fn restore(&mut self, state: &Value) -> Result<(), TrainError> {
        self.state = restored(self.name(), state)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::callbacks::keras;

    #[test]
    fn the_rates_are_those_of_keras() {
        let cases = keras::cases("plateau");
        assert!(cases.len() > 10, "{} cases", cases.len());
        for case in cases {
            let rule = PlateauConfig {
                monitor: None,
                factor: case.factor.expect("it has one"),
                patience: case.patience,
                min_delta: case.min_delta,
                cooldown: case.cooldown.expect("it has one"),
                min_rate: case.min_rate.expect("it has one"),
            };
            let base = case.base_rate.expect("it has one");
            let mut state = State::START;
            for (i, (&value, &expected)) in case.values.iter().zip(&case.rates).enumerate() {
                state.note(&rule, case.monitor, base, value);
                let rate = base * state.factor;
                // Keras keeps its rate in f32.
                let close = (rate - expected).abs() <= 1e-6 * expected;
                assert!(close, "epoch {}: {rate} is not {expected} in {case:?}", i + 1);
            }
        }
    }

    #[test]
    fn numbers_that_cannot_be_are_refused() {
        let rule: PlateauConfig = toml::from_str("").expect("all keys have defaults");
        assert!(rule.check().is_ok());
        for (text, key) in [
            ("factor = 1.0", "factor"),
            ("factor = nan", "factor"),
            ("min_rate = -1.0", "min_rate"),
            ("min_delta = inf", "min_delta"),
        ] {
            let rule: PlateauConfig = toml::from_str(text).expect("the form is right");
            assert_eq!(rule.check().expect_err(text).0, key);
        }
    }
}
