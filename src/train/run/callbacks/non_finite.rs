//! Fails a run soon after its loss is no number any more.

use crate::exec::Executor;
use crate::train::TrainError;
use crate::train::run::hook::{Hook, StepsDone};
use crate::train::run::stop::Flow;

/// Fails a run at the first look at its losses that shows one that is no number. Where the loss is
/// scaled, steps that overflow change nothing and are passed over: there the end of the epoch tells.
#[derive(Debug)]
pub(in crate::train) struct NonFinite {
    /// What may help.
    pub advice: String,
}

impl Hook for NonFinite {
    fn name(&self) -> &'static str {
        "non_finite"
    }

    fn after_steps(
        &mut self,
        done: &StepsDone<'_>,
        _: &mut dyn Executor,
    ) -> Result<Flow, TrainError> {
        let first = done.step - done.step_in_epoch;
        let bad = (first..).zip(done.losses).find(|(_, loss)| !loss.is_finite());
        match bad {
            Some((step, &loss)) => {
                Err(TrainError::NotFinite { step: step + 1, loss, advice: self.advice.clone() })
            }
            None => Ok(Flow::Continue),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::exec::CpuExecutor;

    #[test]
    fn the_error_names_the_first_bad_step_of_the_epoch() {
        let mut device = CpuExecutor::new();
        let mut look = |losses: &[f32]| {
            let done = StepsDone {
                epoch: 2,
                step: 130,
                step_in_epoch: 30,
                steps_per_epoch: 100,
                run_time: Duration::ZERO,
                losses,
            };
            NonFinite { advice: String::new() }.after_steps(&done, &mut device)
        };
        assert!(matches!(look(&[]), Ok(Flow::Continue)));
        assert!(matches!(look(&[2.0, 1.0]), Ok(Flow::Continue)));
        match look(&[2.0, f32::NAN, f32::INFINITY]) {
            Err(TrainError::NotFinite { step: 102, loss, .. }) => assert!(loss.is_nan()),
            other => unreachable!("{other:?}"),
        }
    }
}
