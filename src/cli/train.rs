//! `verigrad train`: runs a recipe and leaves a run directory.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::failure::Failure;
use super::init_from::InitArgs;
use super::interrupt;
use super::members::MemberArgs;
use super::open::{PickArgs, open_device, open_shadow};
use super::resume::{self, Resumed};
use super::session::{self, Ended, Session, Start};
use super::tune::open_tuned;
use super::{DataArgs, DeviceArgs, RecipeArgs};
use crate::bench::chrome_trace;
use crate::compile::Program;
use crate::data::{self, Splits};
use crate::exec::RunProfile;
use crate::train::{Recipe, RunDir, TrainError};

/// Arguments of `verigrad train`.
#[derive(Debug, Args)]
pub(super) struct TrainArgs {
    #[command(flatten)]
    recipe: RecipeArgs,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    picks: PickArgs,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    init: InitArgs,
    /// Go on with a run that was interrupted or killed, from its newest intact checkpoint. Of its
    /// recipe only `epochs`, `budget.*` and `checkpoint.*` can be `--set`
    #[arg(long, value_name = "RUN", conflicts_with_all = ["recipe", "runs", "shadow", "tune", "init_from", "freeze"])]
    resume: Option<PathBuf>,
    /// Folder in which the run directory is made
    #[arg(long, default_value = "runs", value_name = "DIR")]
    runs: PathBuf,
    /// Check every step on the GPU against the reference: slow, for finding a faulty kernel
    #[arg(long)]
    shadow: bool,
    /// First measure the variants of kernels that have no pick yet, and keep the picks
    #[arg(long, conflicts_with = "shadow")]
    tune: bool,
    /// Write a trace of a few steps, for chrome://tracing or Perfetto
    #[arg(long, value_name = "FILE.json", conflicts_with = "shadow")]
    trace: Option<PathBuf>,
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

    /// What trains a member of a comparison or an ensemble.
    pub fn of_member(recipe: RecipeArgs, args: &MemberArgs) -> Self {
        Self {
            recipe,
            device: args.device.clone(),
            picks: args.picks.clone(),
            data: args.data.clone(),
            runs: args.runs.clone(),
            ..Self::default_run()
        }
    }
}

/// The recipe that the arguments name.
pub(super) fn load_recipe(args: &RecipeArgs) -> Result<Recipe, TrainError> {
    let path = Path::new(&args.recipe);
    if path.extension().is_none_or(|extension| extension != "toml") {
        return Recipe::builtin(&args.recipe, &args.set);
    }
    let text = std::fs::read_to_string(path).map_err(|error| TrainError::Recipe {
        recipe: args.recipe.clone(),
        message: format!("the file cannot be read: {error}"),
    })?;
    Recipe::parse(&args.recipe, &text, &args.set)
}

/// Writes a trace of steps of a program.
pub(super) fn write_trace(
    path: &Path,
    program: &Program,
    device: &str,
    profiles: &[RunProfile],
) -> Result<(), Failure> {
    let trace = serde_json::to_string(&chrome_trace(program, device, profiles))?;
    std::fs::write(path, trace)
        .map_err(|error| format!("the trace {} cannot be written: {error}", path.display()).into())
}

/// The data set of a recipe.
pub(super) fn read_data(recipe: &Recipe, args: &DataArgs) -> Result<Splits, TrainError> {
    Ok(data::load(&recipe.data, args.data_dir.as_deref())?)
}

/// Trains, or goes on with a run.
pub(super) fn run(args: TrainArgs) -> Result<ExitCode, Failure> {
    let ended = start(args)?;
    Ok(if ended.interrupted { ExitCode::from(interrupt::EXIT_CODE) } else { ExitCode::SUCCESS })
}

/// Trains; returns where. There is no `result.json` when the run was interrupted.
pub(super) fn train(args: TrainArgs) -> Result<RunDir, Failure> {
    start(args).map(|ended| ended.run_dir)
}

fn start(args: TrainArgs) -> Result<Ended, Failure> {
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
        return session::run(session, &args.data);
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
    session::run(session, &args.data)
}
