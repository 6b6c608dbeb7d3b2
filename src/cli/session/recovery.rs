//! A training whose device is lost: the device is opened again, and the run goes on from its newest
//! checkpoint, or from its start where there is none yet.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::cli::args::DeviceArgs;
use crate::cli::device::options::options;
use crate::cli::failure::{Failure, Interrupted};
use crate::cli::output;
use crate::compile::Picks;
use crate::exec::{DeviceInfo, Executor};
use crate::report::format::grouped_u64;
use crate::train::{Loaded, RunDir, RunLock, Stop};

/// How long is waited before each time that a lost device is opened again while the run gets no
/// further: a driver that was reset needs a moment.
const WAITS: [Duration; 3] =
    [Duration::from_millis(200), Duration::from_secs(2), Duration::from_secs(10)];
/// The same where tests plant the faults: nothing was reset.
const WAIT_FOR_PLANTED: Duration = Duration::from_millis(10);

/// A run that has a directory.
pub(in crate::cli) struct Begun {
    /// The directory.
    pub run_dir: RunDir,
    /// The variants of its kernels.
    pub kernels: Picks,
    _lock: RunLock,
}

impl Begun {
    /// A run in `run_dir`, whose lock keeps other processes out of it.
    pub fn new(run_dir: RunDir, lock: RunLock, kernels: Picks) -> Self {
        Self { run_dir, kernels, _lock: lock }
    }
}

/// How a checkpoint says that the run ended, by its step, after `--set` gave the run more to do.
pub(super) type Extended = (u64, Option<Stop>);

/// Opens the device of these arguments as the run opened its own.
pub(super) type Open<'a> = &'a dyn Fn(&DeviceArgs) -> Result<Box<dyn Executor>, Failure>;

/// A device that was opened again, and the newest checkpoint of the run, where it has one.
pub(super) type Reopened = (Box<dyn Executor>, Option<Box<Loaded>>);

/// What is known of the losses of a run's device.
pub(super) struct Recovery<'a> {
    device: &'a DeviceArgs,
    open: Open<'a>,
    interrupted: Arc<AtomicBool>,
    extended: Option<Extended>,
    /// How often the device was opened again since the run got further.
    attempts: usize,
    /// Step of the newest checkpoint at the last loss.
    reached: Option<u64>,
}

impl<'a> Recovery<'a> {
    /// Nothing was lost yet of a run that is to be on `device`.
    pub fn new(device: &'a DeviceArgs, open: Open<'a>, interrupted: Arc<AtomicBool>) -> Self {
        Self { device, open, interrupted, extended: None, attempts: 0, reached: None }
    }

    /// The same of a run that was given more to do.
    pub fn of_extended(self, extended: Extended) -> Self {
        Self { extended: Some(extended), ..self }
    }

    /// Opens the device `former` again after `failure`, with the variants that the run has; gives the
    /// newest checkpoint of the run, where it has one.
    ///
    /// # Errors
    /// When the device was opened too often while the run got no further, or cannot be opened; says how
    /// to go on. When somebody asks to end.
    pub fn reopen(
        &mut self,
        failure: Failure,
        former: &DeviceInfo,
        begun: Option<&Begun>,
    ) -> Result<Reopened, Failure> {
        let loaded = begun.and_then(|begun| begun.run_dir.checkpoints().load().ok());
        let loaded = loaded.map(|loaded| Box::new(self.as_extended(loaded)));
        let step = loaded.as_ref().map(|loaded| loaded.checkpoint.state.step);
        if step > self.reached {
            (self.attempts, self.reached) = (0, step);
        }
        let from = match step {
            Some(step) => format!("the checkpoint of step {}", grouped_u64(step)),
            None => "its start".to_owned(),
        };
        let mut why = failure;
        loop {
            let Some(&wait) = WAITS.get(self.attempts) else {
                return Err(given_up(&why, begun, step));
            };
            let wait = if options()?.planted.are_planted() { WAIT_FOR_PLANTED } else { wait };
            self.attempts += 1;
            output::note(format_args!(
                "warning: {why}\n  it is opened again in {wait:?} ({} of {}); the run goes on from {from}",
                self.attempts,
                WAITS.len()
            ));
            self.sleep(wait, begun)?;
            match self.open(former, begun) {
                Ok(executor) => return Ok((executor, loaded)),
                Err(failure) => why = failure,
            }
        }
    }

    /// A checkpoint of a run that was given more to do than it had when the checkpoint was taken.
    fn as_extended(&self, mut loaded: Loaded) -> Loaded {
        for damaged in &loaded.damaged {
            output::note(format_args!("warning: {damaged}"));
        }
        let state = &mut loaded.checkpoint.state;
        if let Some((step, stop)) = &self.extended
            && *step == state.step
        {
            state.stop = stop.clone();
        }
        loaded
    }

    fn sleep(&self, wait: Duration, begun: Option<&Begun>) -> Result<(), Failure> {
        let started = Instant::now();
        while started.elapsed() < wait {
            if self.interrupted.load(Ordering::Relaxed) {
                let how = how_to_go_on(begun, self.reached);
                return Err(Interrupted(format!("\ninterrupted without a device; {how}")).into());
            }
            thread::sleep(Duration::from_millis(50).min(wait));
        }
        Ok(())
    }

    fn open(
        &self,
        former: &DeviceInfo,
        begun: Option<&Begun>,
    ) -> Result<Box<dyn Executor>, Failure> {
        let named = match self.device.device.as_str() {
            // Whatever else is there: the same device gives the same bits.
            "auto" => former.name.clone(),
            named => named.to_owned(),
        };
        let mut executor = (self.open)(&DeviceArgs { device: named })?;
        if !executor.info().computes_like(former) {
            let there = executor.info();
            return Err(format!("{former} is not there any more; {there} is in its place").into());
        }
        if let Some(begun) = begun {
            executor.pin(begun.kernels.clone());
        }
        Ok(executor)
    }
}

/// The failure of a run that does not get its device back.
fn given_up(why: &Failure, begun: Option<&Begun>, step: Option<u64>) -> Failure {
    let times = WAITS.len();
    let how = how_to_go_on(begun, step);
    Failure::from(format!(
        "{why}\n  the device was to be opened again {times} times, and the run got no further; {how}"
    ))
}

fn how_to_go_on(begun: Option<&Begun>, step: Option<u64>) -> String {
    match (begun, step) {
        (Some(begun), Some(step)) => format!(
            "all is kept up to step {}. Once the device works, go on with\n  verigrad train --resume {}",
            grouped_u64(step),
            begun.run_dir.path().display()
        ),
        _ => "there is no checkpoint yet: once the device works, start the run anew".to_owned(),
    }
}

/// Brings the directory of a run that begins again to where it was at its start.
pub(super) fn begin_again(run_dir: &RunDir) -> Result<(), Failure> {
    // None of its checkpoints can be read.
    run_dir.checkpoints().clean_up(run_dir.path())?;
    run_dir.restore_metrics(0, 0, None)?;
    Ok(())
}
