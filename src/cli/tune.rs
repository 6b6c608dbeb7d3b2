//! `verigrad tune`: measures the variants of a recipe's kernels on this device.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;

use super::failure::Failure;
use super::format::{duration, grouped};
use super::open::{PickArgs, open_device};
use super::output;
use super::train::{load_recipe, read_data};
use super::{DataArgs, DeviceArgs, RecipeArgs};
use crate::compile::Picks;
use crate::data::Splits;
use crate::exec::{self, DeviceChoice, DeviceInfo, Executor};
use crate::train::{Recipe, compile_all};
use crate::tune::{self, Tuned, store};

/// Arguments of `verigrad tune`.
#[derive(Debug, Args)]
pub(super) struct TuneArgs {
    #[command(flatten)]
    recipe: RecipeArgs,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    device: DeviceArgs,
    /// File for the picks [default: one per device in the folder for caches, used by itself]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Measure only what has no pick yet
    #[arg(long)]
    missing: bool,
}

/// Tunes a recipe and keeps the picks.
pub(super) fn run(args: &TuneArgs) -> Result<(), Failure> {
    let recipe = load_recipe(&args.recipe)?;
    let choice: DeviceChoice = args.device.device.parse()?;
    let mut executor: Box<dyn Executor> = Box::new(exec::open_gpu(&choice)?);
    output::line(format_args!("device   {}", executor.info()));
    if args.missing {
        executor.pin(known_picks(args.output.as_deref(), executor.info())?);
    }
    let data = read_data(&recipe, &args.data)?;
    let picks = tune_recipe(executor.as_mut(), &recipe, &data)?;
    if picks.is_empty() {
        return Ok(());
    }
    let path = store::save(&picks, executor.info(), args.output.as_deref())?;
    output::line(format_args!("picks    {}", path.display()));
    Ok(())
}

/// The picks that need no measurement: those of the file that gets the others, where one is named.
fn known_picks(output: Option<&Path>, device: &DeviceInfo) -> Result<Picks, store::StoreError> {
    match output {
        None => store::load(device),
        Some(path) if path.is_file() => store::read(path, device),
        Some(_) => Ok(Picks::new(&device.name, &device.driver)),
    }
}

/// Measures what has no pick yet in the programs of a recipe, and prints what became of it.
pub(super) fn tune_recipe(
    executor: &mut dyn Executor,
    recipe: &Recipe,
    data: &Splits,
) -> Result<Picks, Failure> {
    let started = Instant::now();
    let programs = compile_all(recipe, data, executor.caps(), executor.picks())?;
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

/// Opens a device for training; with `tune`, measures what has no pick yet and keeps it.
pub(super) fn open_tuned(
    device: &DeviceArgs,
    picks: &PickArgs,
    recipe: &Recipe,
    data: &Splits,
) -> Result<Box<dyn Executor>, Failure> {
    let mut executor = open_device(device, picks)?;
    if executor.info().kind == "cpu" {
        output::line(format_args!("the CPU executor has nothing to tune"));
        return Ok(executor);
    }
    let measured = tune_recipe(executor.as_mut(), recipe, data)?;
    if measured.is_empty() {
        return Ok(executor);
    }
    store::save(&measured, executor.info(), None)?;
    let mut all = executor.picks().clone();
    all.merge(measured);
    executor.pin(all);
    Ok(executor)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::graph::Signature;
    use crate::ops::Matmul;
    use crate::tensor::TensorType;

    /// With a file for the picks, only what that file holds is known: no preset, no user's file.
    #[test]
    fn what_is_missing_is_missing_from_the_named_file() {
        let device = DeviceInfo {
            name: "one".to_owned(),
            kind: "discrete GPU".to_owned(),
            backend: "vulkan".to_owned(),
            driver: "driver 1".to_owned(),
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("picks.toml");
        let known = known_picks(Some(&path), &device).expect("an absent file knows nothing");
        assert!(known.is_empty());
        let op = Arc::new(Matmul::default());
        let ty = TensorType::f32([4, 4]);
        let sig = Signature { inputs: vec![ty.clone(), ty.clone()], outputs: vec![ty] };
        let caps = crate::graph::Caps::webgpu_default();
        let lowerings = crate::compile::runnable(op.as_ref(), &sig, &caps);
        let mut picks = Picks::new(&device.name, &device.driver);
        picks.pin(op.as_ref(), &sig, lowerings.first().expect("it has one"), None);
        store::save(&picks, &device, Some(&path)).expect("it can be written");
        let known = known_picks(Some(&path), &device).expect("it can be read");
        assert!(known.covers(op.as_ref(), &sig, &lowerings));
    }
}
