//! `verigrad bench`: speed of kernels, or of the training step of a recipe.

use std::time::Duration;

use clap::Args;

use super::failure::Failure;
use super::open::{PickArgs, open_device};
use super::output;
use super::{DataArgs, DeviceArgs};
use crate::bench::{
    BenchError, KernelOptions, ModelOptions, json_lines, kernel_table, measure_kernels,
    measure_model, measure_peaks, model_table,
};
use crate::data;
use crate::exec::{self, DeviceChoice};
use crate::train::{Recipe, TrainError, Trainer, builtin_recipes};

/// Arguments of `verigrad bench`.
#[derive(Debug, Args)]
pub(super) struct BenchArgs {
    /// A built-in recipe, or a text that the names of ops contain; all ops where absent
    #[arg(default_value = "", hide_default_value = true, value_name = "OP|RECIPE")]
    what: String,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    picks: PickArgs,
    #[command(flatten)]
    data: DataArgs,
    /// Measure the variant that is chosen first, and no others
    #[arg(long)]
    first: bool,
    /// Seconds to measure a recipe for
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Change a value of the recipe
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Print JSON lines
    #[arg(long)]
    json: bool,
}

/// Measures and prints.
pub(super) fn measure(args: &BenchArgs) -> Result<(), Failure> {
    if builtin_recipes().iter().any(|recipe| recipe.name == args.what) {
        measure_recipe(args)
    } else {
        measure_ops(args)
    }
}

fn measure_ops(args: &BenchArgs) -> Result<(), Failure> {
    let choice: DeviceChoice = args.device.device.parse()?;
    let mut gpu = exec::open_gpu(&choice)?;
    let peaks = measure_peaks(&mut gpu)?;
    let options = KernelOptions { filter: args.what.clone(), first_only: args.first };
    let rows = measure_kernels(&mut gpu, &peaks, &options, &mut |row| {
        log::info!("{} {} {}", row.op, row.case, row.variant);
    })?;
    if rows.is_empty() {
        let names: Vec<&str> = builtin_recipes().iter().map(|recipe| recipe.name).collect();
        let (what, names) = (&args.what, names.join(", "));
        return Err(
            format!("no op with benchmarks and no recipe ({names}) is called {what}").into()
        );
    }
    if args.json {
        output::text(format_args!("{}", json_lines(&rows)?));
    } else {
        output::text(format_args!("{}", kernel_table(&peaks, &rows)));
    }
    Ok(())
}

/// What ends the preparation of a model's measurement.
#[derive(Debug, thiserror::Error)]
enum PrepareError {
    #[error(transparent)]
    Bench(#[from] BenchError),
    #[error(transparent)]
    Train(#[from] TrainError),
}

fn measure_recipe(args: &BenchArgs) -> Result<(), Failure> {
    let recipe = Recipe::builtin(&args.what, &args.set)?;
    let data = data::load(&recipe.data, args.data.data_dir.as_deref())?;
    let mut executor = open_device(&args.device, &args.picks)?;
    let options = ModelOptions {
        name: recipe.name.clone(),
        batch: u32::try_from(recipe.batch_size)?,
        warmup_steps: 3,
        duration: Duration::from_secs(args.seconds),
    };
    let row = measure_model::<PrepareError>(executor.as_mut(), &options, |executor| {
        Ok(Trainer::new(executor, &recipe, data)?.program_id())
    })?;
    if args.json {
        output::text(format_args!("{}", json_lines(&[row])?));
    } else {
        output::text(format_args!("{}", model_table(&[row])));
    }
    Ok(())
}
