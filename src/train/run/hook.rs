//! Hooks into the training loop: what watches a run from inside, changes its device states between
//! steps, and ends it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::stop::{Flow, Stop, StopReason};
use crate::exec::Executor;
use crate::train::{EpochResult, TrainError};

/// Where a run stands after a few more steps were submitted.
#[derive(Debug, Clone, Copy)]
pub struct StepsDone<'a> {
    /// Epoch, from one.
    pub epoch: u32,
    /// Steps submitted since the start of the run.
    pub step: u64,
    /// Steps submitted of this epoch.
    pub step_in_epoch: u64,
    /// Steps of an epoch.
    pub steps_per_epoch: u64,
    /// Time that the run has taken so far, all its sessions together.
    pub run_time: Duration,
    /// Losses of this epoch's steps from its first one on, as far as they have arrived. Empty
    /// except for a few times per second, when the loop looks at the device.
    pub losses: &'a [f32],
}

/// Where a run stands after an epoch and its evaluation.
#[derive(Debug, Clone, Copy)]
pub struct EpochDone<'a> {
    /// What the epoch gave.
    pub result: &'a EpochResult,
    /// Time that the run has taken so far, all its sessions together.
    pub run_time: Duration,
}

/// Watches a run from inside and may end it.
///
/// Device states that a hook adds to the training graph need no care: a checkpoint has all of them.
/// What a hook keeps on the host it tells by [`Hook::state`].
pub trait Hook: fmt::Debug {
    /// Its name, under which checkpoints keep its state: one of a kind in a run.
    fn name(&self) -> &'static str;

    /// The most steps that may be submitted before the hook is asked again, when `step` steps were
    /// submitted since the start of the run. Counts as one at least.
    fn most_steps(&self, step: u64) -> u64 {
        let _ = step;
        u64::MAX
    }

    /// Called after steps were submitted; they need not have finished. Writes to the device are
    /// seen by the steps that follow.
    ///
    /// # Errors
    /// Ends the run as failed.
    fn after_steps(
        &mut self,
        done: &StepsDone<'_>,
        device: &mut dyn Executor,
    ) -> Result<Flow, TrainError> {
        let _ = (done, device);
        Ok(Flow::Continue)
    }

    /// Called after the evaluation of a whole epoch.
    ///
    /// # Errors
    /// Ends the run as failed.
    fn after_epoch(
        &mut self,
        done: &EpochDone<'_>,
        device: &mut dyn Executor,
    ) -> Result<Flow, TrainError> {
        let _ = (done, device);
        Ok(Flow::Continue)
    }

    /// What [`Hook::restore`] needs to go on from here.
    fn state(&self) -> Value {
        Value::Null
    }

    /// Goes on from a state that [`Hook::state`] gave, on a device whose states were restored.
    ///
    /// # Errors
    /// When it is no such state.
    fn restore(&mut self, state: &Value) -> Result<(), TrainError> {
        let _ = state;
        Ok(())
    }
}

/// Ends a run after the steps under way once a flag is set, for example by Ctrl-C.
#[derive(Debug)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// A hook that obeys the flag.
    pub fn new(flag: Arc<AtomicBool>) -> Self {
        Self(flag)
    }

    fn flow(&self) -> Flow {
        if self.0.load(Ordering::Relaxed) {
            Flow::Stop(Stop::because(StopReason::Interrupted))
        } else {
            Flow::Continue
        }
    }
}

impl Hook for Interrupt {
    fn name(&self) -> &'static str {
        "interrupt"
    }

    fn after_steps(&mut self, _: &StepsDone<'_>, _: &mut dyn Executor) -> Result<Flow, TrainError> {
        Ok(self.flow())
    }

    fn after_epoch(&mut self, _: &EpochDone<'_>, _: &mut dyn Executor) -> Result<Flow, TrainError> {
        Ok(self.flow())
    }
}
