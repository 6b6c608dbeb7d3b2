//! Ends a run when it has taken what it may take.

use std::time::Duration;

use crate::exec::Executor;
use crate::train::TrainError;
use crate::train::recipe::callbacks::Budget;
use crate::train::run::hook::{EpochDone, Hook, StepsDone};
use crate::train::run::stop::{Flow, Stop, StopReason};

/// Ends a run when it has taken what it may take.
#[derive(Debug)]
pub(in crate::train) struct BudgetHook(pub Budget);

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
