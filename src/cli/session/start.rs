//! Starts a training: a new one, or one that goes on from a checkpoint.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;

use super::init_from::InitArgs;
use super::recovery::{Begun, Recovery};
use super::resume::{self, Resumed};
use super::training::{Ended, MoreHooks, Session, Start, run};
use crate::cli::args::{DataArgs, DeviceArgs, RecipeArgs};
use crate::cli::device::open::{PickArgs, open_device, open_shadow};
use crate::cli::device::tuning::tuned_programs;
use crate::cli::failure::Failure;
#[cfg(feature = "fetch")]
use crate::cli::fetch::offer::read_or_get;
#[cfg(not(feature = "fetch"))]
use crate::cli::inputs::loading::read_data as read_or_get;
use crate::cli::inputs::loading::{load_recipe, read_data};
use crate::cli::interrupt;
use crate::data::Splits;
use crate::exec::Executor;
use crate::train::{Loaded, Recipe, RunDir};

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
    /// Keep what TensorBoard shows in the folder `tensorboard` of the run, as `--set log.tensorboard=true`
    #[arg(long)]
    pub tensorboard: bool,
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
            tensorboard: false,
            trace: None,
        }
    }
}

/// Trains, or goes on with a run; tells how it ended.
pub(in crate::cli) fn start(args: &TrainArgs) -> Result<Ended, Failure> {
    interrupt::flag()?;
    if let Some(path) = &args.resume {
        return go_on(path, args, None, &Vec::new);
    }
    let mut recipe = load_recipe(&args.recipe)?;
    args.init.freeze_in(&mut recipe);
    recipe.log.tensorboard |= args.tensorboard;
    let data = read_or_get(&recipe, &args.data)?;
    train(args, recipe, data.into(), &Vec::new)
}

/// Trains a recipe on its data, which were read already, until the run ends or a signal interrupts it.
pub(in crate::cli) fn train(
    args: &TrainArgs,
    mut recipe: Recipe,
    data: Arc<Splits>,
    hooks: MoreHooks<'_>,
) -> Result<Ended, Failure> {
    let interrupted = interrupt::flag()?;
    recipe.data.as_read(&data);
    recipe.data.skip_damaged |= args.data.skip_damaged;
    let open = opening(args);
    let executor = open(&args.device)?;
    let recovery = Recovery::new(&args.device, &open, interrupted.clone());
    let init = Some(&args.init);
    let training = Training { args, recipe, interrupted, init, hooks };
    training.run((executor, data), None, recovery)
}

/// Goes on with a run, on its data where they were read already.
pub(in crate::cli) fn go_on(
    path: &Path,
    args: &TrainArgs,
    data: Option<Arc<Splits>>,
    hooks: MoreHooks<'_>,
) -> Result<Ended, Failure> {
    let interrupted = interrupt::flag()?;
    let Some(resumed) = resume::open(path, &args.recipe.set)? else {
        return Ok(Ended { run_dir: RunDir::open(path)?, interrupted: false });
    };
    let executor = resumed.open_device(&args.device, &args.picks)?;
    let data = match data {
        Some(data) => data,
        None => read_data(&resumed.recipe, &args.data)?.into(),
    };
    let Resumed { run_dir, lock, loaded, recipe } = resumed;
    let mut kernels = executor.picks().clone();
    kernels.model = executor.caps().gpu_model();
    let state = &loaded.checkpoint.state;
    let open = opening(args);
    let recovery = Recovery::new(&args.device, &open, interrupted.clone())
        .of_extended((state.step, state.stop.clone()));
    let begun = (Begun::new(run_dir, lock, kernels), Box::new(loaded));
    let training = Training { args, recipe, interrupted, init: None, hooks };
    training.run((executor, data), Some(begun), recovery)
}

/// Opens devices as the arguments say.
fn opening(args: &TrainArgs) -> impl Fn(&DeviceArgs) -> Result<Box<dyn Executor>, Failure> {
    move |device| match args.shadow {
        true => open_shadow(device, &args.picks),
        false => open_device(device, &args.picks),
    }
}

/// A training, with what begins it again after its device was lost.
struct Training<'a> {
    args: &'a TrainArgs,
    recipe: Recipe,
    interrupted: Arc<AtomicBool>,
    /// The weights that it begins with, unless that was in an earlier process.
    init: Option<&'a InitArgs>,
    hooks: MoreHooks<'a>,
}

impl Training<'_> {
    /// Trains on a device and its data, and on the same device opened again where it is lost, until
    /// the run ends, is interrupted, or gets no further.
    fn run(
        &self,
        (mut executor, data): (Box<dyn Executor>, Arc<Splits>),
        begun: Option<(Begun, Box<Loaded>)>,
        mut recovery: Recovery<'_>,
    ) -> Result<Ended, Failure> {
        let (mut begun, mut loaded) = begun.unzip();
        let mut data = Some(data);
        let mut is_told = false;
        loop {
            let known = (data.take(), loaded.take(), is_told);
            let failure = match self.session(executor.as_mut(), known, &mut begun) {
                Err(failure) if failure.is_device_lost() => failure,
                ended => return ended,
            };
            let former = executor.info().clone();
            // Before it is opened again: there is no room for two.
            drop(executor);
            (executor, loaded) = recovery.reopen(failure, &former, begun.as_ref())?;
            is_told = true;
        }
    }

    /// One session, on data that are read where they are not there any more.
    fn session(
        &self,
        executor: &mut dyn Executor,
        (data, loaded, is_told): (Option<Arc<Splits>>, Option<Box<Loaded>>, bool),
        begun: &mut Option<Begun>,
    ) -> Result<Ended, Failure> {
        let Self { args, recipe, init, hooks, .. } = self;
        let data = match data {
            Some(data) => data,
            None => read_data(recipe, &args.data)?.into(),
        };
        let tunes = args.tune && begun.is_none();
        let programs = if tunes { tuned_programs(executor, recipe, &data)? } else { None };
        let start = match (begun.as_ref(), loaded, *init) {
            (Some(begun), Some(loaded), init) => {
                Start::Resumed { run_dir: begun.run_dir.clone(), loaded, init }
            }
            (_, _, Some(init)) => Start::New { runs: &args.runs, init },
            _ => return Err("none of the run's checkpoints can be read any more".into()),
        };
        let (recipe, trace) = (recipe.clone(), args.trace.as_deref());
        let interrupted = self.interrupted.clone();
        let hooks = hooks();
        let session =
            Session { executor, recipe, data, programs, start, trace, interrupted, hooks, is_told };
        run(session, begun)
    }
}
