//! Starts a training: a new one, or one that goes on from a checkpoint.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;

use super::init_from::InitArgs;
use super::resume::{self, Resumed};
use super::training::{Ended, Session, Start, run};
use crate::cli::args::{DataArgs, DeviceArgs, RecipeArgs};
use crate::cli::device::open::{PickArgs, open_device, open_shadow};
use crate::cli::device::tuning::tuned_programs;
use crate::cli::failure::Failure;
use crate::cli::inputs::loading::{load_recipe, read_data};
use crate::cli::interrupt;
use crate::data::Splits;
use crate::train::{Recipe, RunDir};

/// Arguments of `verigrad train`.
#[derive(Debug, Args)]
pub(in crate::cli) struct TrainArgs {
    #[command(flatten)]
    pub recipe: RecipeArgs,
    #[command(flatten)]
    pub device: DeviceArgs,
    #[command(flatten)]
    pub picks: PickArgs,
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    pub init: InitArgs,
    /// Go on with a run that was interrupted or killed, from its newest intact checkpoint. Of its
    /// recipe only `epochs`, `budget.*` and `checkpoint.*` can be `--set`
    #[arg(long, value_name = "RUN", conflicts_with_all = ["recipe", "runs", "shadow", "tune", "init_from", "freeze"])]
    pub resume: Option<PathBuf>,
    /// Folder in which the run directory is made
    #[arg(long, default_value = "runs", value_name = "DIR")]
    pub runs: PathBuf,
    /// Check every step on the GPU against the reference: slow, for finding a faulty kernel
    #[arg(long)]
    pub shadow: bool,
    /// First measure the variants of kernels that have no pick yet, and keep the picks
    #[arg(long, conflicts_with = "shadow")]
    pub tune: bool,
    /// Write a trace of a few steps, for chrome://tracing or Perfetto
    #[arg(long, value_name = "FILE.json", conflicts_with = "shadow")]
    pub trace: Option<PathBuf>,
}

impl TrainArgs {
    /// What `verigrad` does without a command.
    pub fn default_run() -> Self {
        Self {
            recipe: RecipeArgs { recipe: "digits".to_owned(), set: Vec::new() },
            device: DeviceArgs { device: "auto".to_owned() },
            picks: PickArgs::auto(),
            data: DataArgs { data_dir: None, skip_damaged: false },
            init: InitArgs::default(),
            resume: None,
            runs: PathBuf::from("runs"),
            shadow: false,
            tune: false,
            trace: None,
        }
    }
}

/// Trains, or goes on with a run; tells how it ended.
pub(in crate::cli) fn start(args: &TrainArgs) -> Result<Ended, Failure> {
    let interrupted = interrupt::flag()?;
    if let Some(path) = &args.resume {
        return resume_run(path, args, interrupted);
    }
    let mut recipe = load_recipe(&args.recipe)?;
    args.init.freeze_in(&mut recipe);
    let data = read_data(&recipe, &args.data)?;
    train(args, recipe, data.into(), interrupted)
}

/// Trains a recipe on its data, which were read already, until the run ends or a signal interrupts it.
pub(in crate::cli) fn train(
    args: &TrainArgs,
    mut recipe: Recipe,
    data: Arc<Splits>,
    interrupted: Arc<AtomicBool>,
) -> Result<Ended, Failure> {
    recipe.data.as_read(&data);
    recipe.data.skip_damaged |= args.data.skip_damaged;
    let mut executor = if args.shadow {
        open_shadow(&args.device, &args.picks)?
    } else {
        open_device(&args.device, &args.picks)?
    };
    let executor = executor.as_mut();
    let programs = if args.tune { tuned_programs(executor, &recipe, &data)? } else { None };
    let start = Start::New { runs: &args.runs, init: &args.init };
    let trace = args.trace.as_deref();
    run(Session { executor, recipe, data, programs, start, trace, interrupted })
}

fn resume_run(
    path: &Path,
    args: &TrainArgs,
    interrupted: Arc<AtomicBool>,
) -> Result<Ended, Failure> {
    let Some(resumed) = resume::open(path, &args.recipe.set)? else {
        return Ok(Ended { run_dir: RunDir::open(path)?, interrupted: false });
    };
    let mut executor = resumed.open_device(&args.device, &args.picks)?;
    let data = read_data(&resumed.recipe, &args.data)?.into();
    let Resumed { run_dir, lock, loaded, recipe } = resumed;
    let start = Start::Resumed { run_dir, lock, loaded: Box::new(loaded) };
    let (executor, trace) = (executor.as_mut(), args.trace.as_deref());
    run(Session { executor, recipe, data, programs: None, start, trace, interrupted })
}
