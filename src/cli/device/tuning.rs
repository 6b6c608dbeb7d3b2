//! Measures the variants of a run's kernels, and keeps the picks.

use std::time::Instant;

use crate::cli::failure::Failure;
use crate::cli::output;
use crate::compile::Picks;
use crate::data::Splits;
use crate::exec::Executor;
use crate::report::format::{duration, grouped};
use crate::train::{Recipe, RunPrograms};
use crate::tune::{self, Tuned, store};

/// Measures what has no pick yet in the programs of a run, and prints what became of it.
pub(in crate::cli) fn tune_programs(
    executor: &mut dyn Executor,
    programs: &RunPrograms,
) -> Result<Picks, Failure> {
    let started = Instant::now();
    let tasks =
        tune::tasks(&programs.iter().collect::<Vec<_>>(), executor.caps(), executor.picks());
    if tasks.is_empty() {
        output::line(format_args!("nothing to tune: every op has one variant, or has its pick"));
        return Ok(Picks::default());
    }
    let (mut checked, mut dropped, mut saved) = (0, 0, 0.0);
    let picks = tune::tune(executor, &tasks, &mut |done, tuned| {
        checked += tuned.candidates.len();
        dropped += tuned.candidates.iter().filter(|c| c.seconds().is_none()).count();
        saved += saving(tuned).unwrap_or(0.0);
        output::line(format_args!("{:>3}/{} {}", done + 1, tasks.len(), describe(tuned)));
    })?;
    output::line(format_args!(
        "tuned    {} ops, {} variants checked against the reference, {dropped} dropped, {:.2} ms \
         faster in all, in {}",
        tasks.len(),
        grouped(checked),
        1e3 * saved,
        duration(started.elapsed())
    ));
    Ok(picks)
}

/// Seconds by which the pick is faster than the best guess.
fn saving(tuned: &Tuned) -> Option<f64> {
    Some(tuned.candidates.first()?.seconds()? - tuned.pick()?.seconds()?)
}

fn describe(tuned: &Tuned) -> String {
    let name = format!("{} {}", tuned.task.scope, tuned.task.op.title());
    let Some((pick, seconds)) = tuned.pick().and_then(|pick| Some((pick, pick.seconds()?))) else {
        return format!("{name:<40} no variant is right; see the log");
    };
    let ratio = match tuned.candidates.first().and_then(|guess| guess.seconds()) {
        // Less than a thousand runs would earn what the best guess takes longer to compile.
        Some(guess) if guess < seconds => "slower, but compiles faster".to_owned(),
        Some(guess) => format!("{:.2} x the best guess", guess / seconds),
        None => "the best guess was dropped".to_owned(),
    };
    let (variant, milliseconds) = (&pick.lowering.variant, 1e3 * seconds);
    let count = tuned.candidates.len();
    format!("{name:<40} {variant:<26} {milliseconds:>9.3} ms  {ratio}, of {count}")
}

/// The programs of a training whose kernels are tuned first: what has no pick yet is measured and
/// kept. None where the device has nothing to tune.
pub(in crate::cli) fn tuned_programs(
    executor: &mut dyn Executor,
    recipe: &Recipe,
    data: &Splits,
) -> Result<Option<RunPrograms>, Failure> {
    if executor.info().kind == "cpu" {
        output::line(format_args!("the CPU executor has nothing to tune"));
        return Ok(None);
    }
    let mut programs = RunPrograms::compile(recipe, data, executor.caps(), executor.picks())?;
    let measured = tune_programs(executor, &programs)?;
    if !measured.is_empty() {
        store::save(&measured, executor.info(), None)?;
        let mut all = executor.picks().clone();
        all.merge(measured.clone());
        executor.pin(all);
        programs.take_picks(&measured, executor.picks(), executor.caps())?;
    }
    Ok(Some(programs))
}
