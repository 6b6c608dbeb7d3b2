//! Lowers the learning rate when a metric no longer improves.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::restored::restored;
use crate::exec::Executor;
use crate::tensor::Real;
use crate::train::TrainError;
use crate::train::recipe::callbacks::PlateauConfig;
use crate::train::recipe::monitor::Monitor;
use crate::train::run::hook::{EpochDone, Hook};
use crate::train::run::stop::Flow;
use crate::train::step::names::RATE_FACTOR;

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
pub(in crate::train) struct Plateau {
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
    use crate::train::run::callbacks::keras;

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
