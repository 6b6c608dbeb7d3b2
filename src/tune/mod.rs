//! Floor 6: the tuner. Measures the variants of a program's ops on their very shapes and pins the
//! fastest of those that compute the right numbers.
//!
//! A candidate must fit the device, then agree with the reference (the contract of
//! [`crate::verify`]: values, untouched neighbors, the same bits twice), and only then is it
//! timed. Of large shapes, the reference is a sample, and other elements are compared with those of a
//! variant that passes the op's small cases ([`crate::verify::Trial`]). [`tune`] gives [`Picks`],
//! which [`store`] keeps per device and driver. [`verdicts`] keeps which device `--device auto`
//! takes, [`audits`] which kernels need no checks.

pub mod audits;
mod cache;
mod candidates;
mod speed;
pub mod store;
mod tuner;
pub mod verdicts;

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

pub use candidates::{Candidate, Outcome, Spent, Task, Tuned, tasks};
pub use speed::know_device;

use crate::bench::BenchError;
use crate::compile::Picks;
use crate::exec::Executor;
use tuner::Tuner;

/// How far [`tune`] has come, told after each task.
#[derive(Debug)]
pub struct TuneProgress<'a> {
    /// Tasks that are done.
    pub done: usize,
    /// The task that was done last.
    pub tuned: &'a Tuned,
    /// All picks so far.
    pub picks: &'a Picks,
}

/// Tunes tasks on a device, one after another, and begins none after `budget`. `progress` is told
/// each result, and says whether to go on.
///
/// # Errors
/// When the device fails in a way that is not a candidate's fault, or is the CPU executor.
pub fn tune(
    executor: &mut dyn Executor,
    tasks: &[Task],
    budget: Option<Duration>,
    progress: &mut dyn FnMut(TuneProgress<'_>) -> ControlFlow<()>,
) -> Result<Picks, BenchError> {
    let start = Instant::now();
    let info = executor.info().clone();
    if info.kind == "cpu" {
        return Err(BenchError::NoGpu);
    }
    let mut picks = Picks::new(&info.name, &info.driver);
    // Its kernels are cut for this model.
    picks.model = executor.caps().gpu_model();
    let mut tuner = Tuner::default();
    for (number, task) in tasks.iter().enumerate() {
        if budget.is_some_and(|budget| start.elapsed() >= budget) {
            log::info!("{} of {} ops are left as they are", tasks.len() - number, tasks.len());
            break;
        }
        if !tuner.is_prepared(executor, task) {
            tuner.prepare(executor, &tasks[number..]);
        }
        let tuned = tuner.tune(executor, task)?;
        if let Some(Candidate { lowering, outcome: Outcome::Timed(timing), .. }) = tuned.pick() {
            picks.pin(task.op.as_ref(), &task.sig, lowering, Some(timing.seconds));
            log::info!("{}: {} by {}", task.scope, task.op.title(), lowering.variant);
        }
        let done = TuneProgress { done: number + 1, tuned: &tuned, picks: &picks };
        if progress(done).is_break() {
            break;
        }
    }
    Ok(picks)
}

/// Checks and times every candidate of one task.
///
/// # Errors
/// When the device is lost, or the op rejects the shapes.
pub fn tune_task(executor: &mut dyn Executor, task: &Task) -> Result<Tuned, BenchError> {
    Tuner::default().tune(executor, task)
}
