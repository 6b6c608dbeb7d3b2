//! Ends a run when it has taken what it may take.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::exec::Executor;
use crate::train::TrainError;
use crate::train::hook::{EpochDone, Flow, Hook, StepsDone, Stop, StopReason};

/// What a run may take: section `budget` of a recipe. The epochs of the recipe remain a limit, and
/// the one that its schedule goes by.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Steps since the start of the run, exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Minutes, all sessions of the run together. The run ends with the steps under way, so that
    /// how many there are is not the same each time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
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

/// Ends a run when it has taken what it may take.
#[derive(Debug)]
pub(super) struct BudgetHook(pub Budget);

impl BudgetHook {
    fn flow(&self, step: u64, run_time: Duration) -> Flow {
        let Budget { steps, minutes } = self.0;
        let stop = |why| Flow::Stop(Stop::because(StopReason::Budget(why)));
        match (steps, self.0.time(), minutes) {
            (Some(steps), ..) if step >= steps => {
                stop(format!("the budget of {steps} steps is spent"))
            }
            (_, Some(time), Some(minutes)) if run_time >= time => {
                stop(format!("the budget of {minutes} minutes is spent"))
            }
            _ => Flow::Continue,
        }
    }
}

impl Hook for BudgetHook {
    fn name(&self) -> &'static str {
        "budget"
    }

    fn most_steps(&self, step: u64) -> u64 {
        self.0.steps.map_or(u64::MAX, |steps| steps.saturating_sub(step))
    }

    fn after_steps(
        &mut self,
        done: &StepsDone<'_>,
        _: &mut dyn Executor,
    ) -> Result<Flow, TrainError> {
        Ok(self.flow(done.step, done.run_time))
    }

    fn after_epoch(
        &mut self,
        done: &EpochDone<'_>,
        _: &mut dyn Executor,
    ) -> Result<Flow, TrainError> {
        Ok(self.flow(done.result.steps, done.run_time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_submission_ends_where_the_budget_does() {
        let hook = BudgetHook(Budget { steps: Some(10), minutes: Some(0.5) });
        assert_eq!(hook.most_steps(7), 3);
        let at = |step, seconds| hook.flow(step, Duration::from_secs(seconds));
        assert_eq!(at(9, 29), Flow::Continue);
        let spent = |flow| match flow {
            Flow::Stop(Stop { reason, restore_best: false }) => reason.to_string(),
            other => unreachable!("{other:?}"),
        };
        assert_eq!(spent(at(10, 0)), "the budget of 10 steps is spent");
        assert_eq!(spent(at(3, 30)), "the budget of 0.5 minutes is spent");
    }

    #[test]
    fn numbers_that_cannot_be_are_refused() {
        for (text, key) in
            [("steps = 0", "steps"), ("minutes = 0", "minutes"), ("minutes = inf", "minutes")]
        {
            let budget: Budget = toml::from_str(text).expect("the form is right");
            assert_eq!(budget.check().expect_err(text).0, key);
        }
    }
}
