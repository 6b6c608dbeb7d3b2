//! `verigrad tune`: measures the variants of a recipe's kernels on this device.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::cli::args::{DataArgs, DeviceArgs, RecipeArgs};
use crate::cli::device::open::open_gpu;
use crate::cli::device::tuning::{TuneOptions, tune_programs};
use crate::cli::failure::Failure;
use crate::cli::inputs::loading::{load_recipe, read_data};
use crate::cli::output;
use crate::compile::Picks;
use crate::exec::{DeviceChoice, DeviceInfo, Executor};
use crate::train::RunPrograms;
use crate::tune::{know_device, store};

/// Arguments of `verigrad tune`.
#[derive(Debug, Args)]
pub(in crate::cli) struct TuneArgs {
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
    /// Begin no op after this time; those that take most of a step come first
    #[arg(long, value_name = "SECONDS")]
    budget: Option<u64>,
}

/// Tunes a recipe and keeps the picks.
pub(in crate::cli) fn run(args: &TuneArgs) -> Result<(), Failure> {
    let recipe = load_recipe(&args.recipe)?;
    let choice: DeviceChoice = args.device.device.parse()?;
    let mut executor: Box<dyn Executor> = Box::new(open_gpu(&choice)?);
    output::line(format_args!("device   {}", executor.info()));
    let known = match args.missing {
        true => known_picks(args.output.as_deref(), executor.info())?,
        false => Picks::default(),
    };
    know_device(executor.as_mut(), known);
    let data = read_data(&recipe, &args.data)?;
    let programs = RunPrograms::compile(&recipe, &data, executor.caps(), executor.picks())?;
    let budget = args.budget.map(Duration::from_secs);
    let go_on = "the same command and --missing";
    let options = TuneOptions { output: args.output.as_deref(), budget, go_on };
    tune_programs(executor.as_mut(), &programs, &options)?;
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
