//! A hook that interrupts runs.

use verigrad::exec::Executor;
use verigrad::train::{Flow, Hook, StepsDone, Stop, StopReason, TrainError};

/// Interrupts a run after given steps.
#[derive(Debug)]
pub struct StopAt(pub Vec<u64>);

impl Hook for StopAt {
    fn name(&self) -> &'static str {
        "stop_at"
    }

    fn most_steps(&self, step: u64) -> u64 {
        self.0.first().map_or(u64::MAX, |&at| at - step)
    }

    fn after_steps(
        &mut self,
        done: &StepsDone<'_>,
        _: &mut dyn Executor,
    ) -> Result<Flow, TrainError> {
        if self.0.first() != Some(&done.step) {
            return Ok(Flow::Continue);
        }
        self.0.remove(0);
        Ok(Flow::Stop(Stop::because(StopReason::Interrupted)))
    }
}
