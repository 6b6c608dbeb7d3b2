//! Floor 6: the tuner. Measures the variants of a program's ops on their very shapes and pins the
//! fastest of those that compute the right numbers.
//!
//! A candidate must fit the device, then agree with the reference (the contract of
//! [`crate::verify`]: values, untouched neighbors, the same bits twice), and only then is it
//! timed. [`tune`] gives [`Picks`], which [`store`] keeps per device and
//! driver. [`verdicts`] keeps which device `--device auto` takes, [`audits`] which kernels need no
//! checks.

pub mod audits;
mod candidates;
mod speed;
pub mod store;
pub mod verdicts;

pub use candidates::{Candidate, Outcome, Task, Tuned, tasks, tune_task};
pub use speed::know_device;

use crate::bench::BenchError;
use crate::compile::Picks;
use crate::exec::Executor;

/// Tunes tasks on a device, one after another. `progress` is told each result.
///
/// # Errors
/// When the device fails in a way that is not a candidate's fault, or is the CPU executor.
pub fn tune(
    executor: &mut dyn Executor,
    tasks: &[Task],
    progress: &mut dyn FnMut(usize, &Tuned),
) -> Result<Picks, BenchError> {
    let info = executor.info().clone();
    if info.kind == "cpu" {
        return Err(BenchError::NoGpu);
    }
    let mut picks = Picks::new(&info.name, &info.driver);
    // Its kernels are cut for this model.
    picks.model = executor.caps().gpu_model();
    for (done, task) in tasks.iter().enumerate() {
        let tuned = tune_task(executor, task)?;
        if let Some(Candidate { lowering, outcome: Outcome::Timed(timing), .. }) = tuned.pick() {
            picks.pin(task.op.as_ref(), &task.sig, lowering, Some(timing.seconds));
            log::info!("{}: {} by {}", task.scope, task.op.title(), lowering.variant);
        }
        progress(done, &tuned);
    }
    Ok(picks)
}
