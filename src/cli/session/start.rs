//! Starts a training: a new one, or one that goes on from a checkpoint.

use std::path::PathBuf;

use clap::Args;

use super::init_from::InitArgs;
use super::resume::{self, Resumed};
use super::training::{Ended, Session, Start, run};
use crate::cli::args::{DataArgs, DeviceArgs, RecipeArgs};
use crate::cli::device::open::{PickArgs, open_device, open_shadow};
use crate::cli::device::tuning::open_tuned;
use crate::cli::failure::Failure;
use crate::cli::inputs::loading::{load_recipe, read_data};
use crate::cli::session::interrupt;
use crate::train::RunDir;

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
            data: DataArgs { data_dir: None },
            init: InitArgs::default(),
            resume: None,
            runs: PathBuf::from("runs"),
            shadow: false,
            tune: false,
            trace: None,
        }
    }
}

/// Trains; returns where. There is no `result.json` when the run was interrupted.
pub(in crate::cli) fn train(args: TrainArgs) -> Result<RunDir, Failure> {
    start(args).map(|ended| ended.run_dir)
}

/// Trains, or goes on with a run; tells how it ended.
pub(in crate::cli) fn start(args: TrainArgs) -> Result<Ended, Failure> {
    let interrupted = interrupt::flag()?;
    let trace = args.trace;
    if let Some(path) = &args.resume {
        let set = &args.recipe.set;
        let Some(resumed) = resume::open(path, set)? else {
            return Ok(Ended { run_dir: RunDir::open(path)?, interrupted: false });
        };
        let mut executor = resumed.open_device(&args.device, &args.picks)?;
        let data = read_data(&resumed.recipe, &args.data)?;
        let Resumed { run_dir, lock, loaded, recipe } = resumed;
        let start = Start::Resumed { run_dir, lock, loaded: Box::new(loaded) };
        let executor = executor.as_mut();
        let session = Session { executor, recipe, data, start, trace, interrupted };
        return run(session, &args.data);
    }
    let mut recipe = load_recipe(&args.recipe)?;
    args.init.freeze_in(&mut recipe);
    let data = read_data(&recipe, &args.data)?;
    let mut executor = if args.shadow {
        open_shadow(&args.device, &args.picks)?
    } else if args.tune {
        open_tuned(&args.device, &args.picks, &recipe, &data)?
    } else {
        open_device(&args.device, &args.picks)?
    };
    let start = Start::New { runs: &args.runs, init: &args.init };
    let executor = executor.as_mut();
    let session = Session { executor, recipe, data, start, trace, interrupted };
    run(session, &args.data)
}
