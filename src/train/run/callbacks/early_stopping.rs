//! Ends a run when a metric no longer improves.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::restored::restored;
use crate::exec::Executor;
use crate::train::TrainError;
use crate::train::recipe::callbacks::EarlyStoppingConfig;
use crate::train::recipe::monitor::Monitor;
use crate::train::run::hook::{EpochDone, Hook};
use crate::train::run::stop::{Flow, Stop, StopReason};

/// The rule, apart from where its values come from.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    /// The best value so far.
    best: Option<f64>,
    /// The epoch that gave it, from one.
    best_epoch: u32,
    /// Epochs since.
    wait: u32,
}

impl State {
    /// Whether the run ends after an epoch that gave `value`.
    fn stops(&mut self, rule: &EarlyStoppingConfig, by: Monitor, epoch: u32, value: f64) -> bool {
        if by.improves(value, self.best, rule.min_delta) {
            *self = Self { best: Some(value), best_epoch: epoch, wait: 0 };
            return false;
        }
        self.wait += 1;
        self.wait >= rule.patience
    }
}

/// Ends a run when a metric no longer improves.
#[derive(Debug)]
pub(in crate::train) struct EarlyStopping {
    rule: EarlyStoppingConfig,
    monitor: Monitor,
    state: State,
}

impl EarlyStopping {
    pub fn new(rule: &EarlyStoppingConfig, monitor: Monitor) -> Self {
        Self { rule: rule.clone(), monitor, state: State::default() }
    }
}

impl Hook for EarlyStopping {
    fn name(&self) -> &'static str {
        "early_stopping"
    }

    fn after_epoch(
        &mut self,
        done: &EpochDone<'_>,
        _: &mut dyn Executor,
    ) -> Result<Flow, TrainError> {
        let Some(value) = self.monitor.value(done.result) else { return Ok(Flow::Continue) };
        let epoch = done.result.epoch;
        if !self.state.stops(&self.rule, self.monitor, epoch, value) {
            return Ok(Flow::Continue);
        }
        let State { best, best_epoch, wait } = self.state;
        let best = best.map(|best| format!(": {best:.5} in epoch {best_epoch}"));
        let reason = StopReason::Early(format!(
            "{} has not improved for {wait} epochs{}",
            self.monitor,
            best.unwrap_or_default()
        ));
        Ok(Flow::Stop(Stop { reason, restore_best: self.rule.restore_best }))
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

    /// Epoch after which a run over a series of values ends, and its best epoch.
    fn run(rule: &EarlyStoppingConfig, by: Monitor, values: &[f64]) -> (Option<u32>, u32) {
        let mut state = State::default();
        let stopped = (1..).zip(values).find(|&(epoch, &v)| state.stops(rule, by, epoch, v));
        (stopped.map(|(epoch, _)| epoch), state.best_epoch)
    }

    #[test]
    fn it_ends_where_keras_does() {
        let cases = keras::cases("early_stopping");
        assert!(cases.len() > 10, "{} cases", cases.len());
        for case in cases {
            let rule = EarlyStoppingConfig {
                monitor: None,
                patience: case.patience,
                min_delta: case.min_delta,
                restore_best: true,
            };
            let expected = (case.stopped_epoch, case.best_epoch.expect("it has one"));
            assert_eq!(run(&rule, case.monitor, &case.values), expected, "{case:?}");
        }
    }

    #[test]
    fn its_state_survives_a_checkpoint() {
        let rule =
            EarlyStoppingConfig { monitor: None, patience: 3, min_delta: 0.0, restore_best: false };
        let mut one = EarlyStopping::new(&rule, Monitor::TestLoss);
        for (epoch, value) in [(1, 0.1 + 0.2), (2, 0.4)] {
            assert!(!one.state.stops(&rule, Monitor::TestLoss, epoch, value));
        }
        let text = one.state().to_string();
        let mut other = EarlyStopping::new(&rule, Monitor::TestLoss);
        other.restore(&text.parse().expect("JSON")).expect("it is a state");
        assert_eq!(one.state, other.state);
        assert!(other.restore(&Value::from("nonsense")).is_err());
    }
}
