//! `verigrad train --resume`: which run is continued, from where, and on which device.

use std::path::Path;

use crate::cli::args::DeviceArgs;
use crate::cli::device::open::{PickArgs, open_device};
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::compile::Picks;
use crate::exec::Executor;
use crate::report::format::grouped_u64;
use crate::train::{Loaded, Recipe, RunDir, RunLock, RunState, StopReason, TrainError};

/// A run that can be continued.
pub(in crate::cli) struct Resumed {
    /// Its directory.
    pub run_dir: RunDir,
    /// Keeps other processes out of it.
    pub lock: RunLock,
    /// Its newest intact checkpoint.
    pub loaded: Loaded,
    /// Its recipe, with what was changed for the rest of the run.
    pub recipe: Recipe,
}

/// Opens a run and changes its recipe by `set`; none when it has finished, which is told.
pub(in crate::cli) fn open(path: &Path, set: &[String]) -> Result<Option<Resumed>, Failure> {
    let run_dir = RunDir::open(path)?;
    // Before its files are looked at, which another process may be writing.
    let lock = run_dir.lock()?;
    let mut loaded = run_dir.checkpoints().load()?;
    for damaged in &loaded.damaged {
        output::note(format_args!("warning: {damaged}"));
    }
    if !loaded.damaged.is_empty() {
        output::note(format_args!(
            "warning: going on from the one before, {}",
            loaded.path.display()
        ));
    }
    log::info!("going on from {}", loaded.path.display());
    set.iter().try_for_each(|given| check_key(given))?;
    let state = &mut loaded.checkpoint.state;
    let origin = loaded.path.display().to_string();
    let before = Recipe::parse(&origin, &state.recipe, &[])?;
    let recipe = Recipe::parse(&origin, &state.recipe, set)?;
    if let Some(given) = set.iter().find(|given| key_of(given) == "epochs")
        && recipe.epochs <= state.epochs_done()
    {
        let done = state.epochs_done();
        let message = format!("{done} epochs are done; give more than that to go on");
        return Err(TrainError::Override { given: given.clone(), message }.into());
    }
    let has_result = run_dir.result_path().is_file() && run_dir.evaluation_path().is_file();
    if has_result && !is_extended(state, &recipe, set) {
        tell_finished(path, state, &recipe);
        return Ok(None);
    }
    if is_extended(state, &recipe, set) {
        state.stop = None;
    }
    if recipe.epochs != before.epochs && recipe.schedule != Default::default() {
        output::note(format_args!(
            "note: from here on the learning rate follows its schedule for {} epochs, not {}",
            recipe.epochs, before.epochs
        ));
    }
    Ok(Some(Resumed { run_dir, lock, loaded, recipe }))
}

/// The key of a `key=value` pair.
fn key_of(given: &str) -> &str {
    given.split_once('=').map_or(given, |(key, _)| key).trim()
}

/// What decides the steps that were taken cannot change any more.
fn check_key(given: &str) -> Result<(), TrainError> {
    let key = key_of(given);
    if key == "epochs" || key.starts_with("budget.") || key.starts_with("checkpoint.") {
        return Ok(());
    }
    Err(TrainError::Override {
        given: given.to_owned(),
        message: "a run that is resumed keeps its recipe: only epochs, budget.* and checkpoint.* \
                  can change; to change more, start a new run from the recipe.toml of the run"
            .to_owned(),
    })
}

/// Whether a run that has not ended, or that `set` gives more to do, goes on.
fn is_extended(state: &RunState, recipe: &Recipe, set: &[String]) -> bool {
    match state.stop.as_ref().map(|stop| &stop.reason) {
        None | Some(StopReason::Interrupted) => true,
        Some(StopReason::Completed) => recipe.epochs > state.epochs_done(),
        Some(StopReason::Budget(_)) => set.iter().any(|given| key_of(given).starts_with("budget.")),
        Some(StopReason::Early(_)) => false,
    }
}

fn tell_finished(path: &Path, state: &RunState, recipe: &Recipe) {
    let why = state.stop.as_ref().map_or_else(String::new, |stop| stop.reason.to_string());
    output::line(format_args!(
        "{} has finished: {why}, after {} steps and {} epochs",
        path.display(),
        grouped_u64(state.step),
        state.epochs_done()
    ));
    let more = match state.stop.as_ref().map(|stop| &stop.reason) {
        Some(StopReason::Completed) => format!("epochs={}", recipe.epochs.saturating_mul(2).max(1)),
        Some(StopReason::Budget(_)) => "budget.minutes=60".to_owned(),
        _ => return,
    };
    output::line(format_args!(
        "to extend it: verigrad train --resume {} --set {more}",
        path.display()
    ));
}

impl Resumed {
    /// Opens the device that the run was on, with the variants of its kernels; another one where
    /// that is asked for or the former is not there, with a warning.
    pub fn open_device(
        &self,
        device: &DeviceArgs,
        picks: &PickArgs,
    ) -> Result<Box<dyn Executor>, Failure> {
        let state = &self.loaded.checkpoint.state;
        let mut executor = if device.device == "auto" {
            let former = if state.device.kind == "cpu" { "cpu" } else { &state.device.name };
            match open_device(&DeviceArgs { device: former.to_owned() }, picks) {
                Err(failure) if failure.is_no_device() => open_device(device, picks)?,
                opened => opened?,
            }
        } else {
            open_device(device, picks)?
        };
        let mut changed = Vec::new();
        let info = executor.info().clone();
        if !info.computes_like(&state.device) {
            changed.push(format!("it was on {}, this is {info}", state.device));
        } else if picks.is_auto() {
            let mut kernels = Picks::parse(&state.kernels)?;
            if let Some(checks) = picks.checks().filter(|&checks| checks != kernels.checks) {
                changed.push("--checked compiles other kernels".to_owned());
                kernels.checks = checks;
            }
            executor.pin(kernels);
        } else {
            changed.push("--picks may choose other kernels".to_owned());
        }
        let version = env!("CARGO_PKG_VERSION");
        if state.verigrad != version {
            changed.push(format!("it was made by verigrad {}, this is {version}", state.verigrad));
        }
        for what in changed {
            output::note(format_args!(
                "warning: the run may not end with the bits that it would have had: {what}"
            ));
        }
        Ok(executor)
    }
}
