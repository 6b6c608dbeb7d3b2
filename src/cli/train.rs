//! `verigrad train`: runs a recipe and leaves a run directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use serde::Serialize;

use super::describe::{image_of, summary_text};
use super::evaluate::evaluate_end;
use super::failure::Failure;
use super::format::{bytes, duration, grouped};
use super::init_from::InitArgs;
use super::members::MemberArgs;
use super::memory;
use super::open::{PickArgs, open_device, open_shadow};
use super::output;
use super::progress::ProgressView;
use super::tune::open_tuned;
use super::{DataArgs, DeviceArgs, RecipeArgs};
use crate::bench::chrome_trace;
use crate::compile::{Picks, Program};
use crate::data::{self, Splits};
use crate::exec::{DeviceInfo, RunProfile};
use crate::report;
use crate::tensor::HostTensor;
use crate::train::{
    EpochRecord, EpochResult, ModelRecord, Observer, Progress, Recipe, RunDir, StepRecord,
    StopReason, TrainError, Trainer, save_weights, sha256_of_weights,
};

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

/// Step at which a trace begins: after the first ones, which warm up.
const TRACE_FROM: u64 = 8;
/// Steps of a trace, or a few more: whole submissions are traced.
const TRACED_STEPS: usize = 4;

impl TrainArgs {
    /// What `verigrad` does without a command.
    pub fn default_run() -> Self {
        Self {
            recipe: RecipeArgs { recipe: "digits".to_owned(), set: Vec::new() },
            device: DeviceArgs { device: "auto".to_owned() },
            picks: PickArgs::auto(),
            data: DataArgs { data_dir: None },
            init: InitArgs::default(),
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

/// What a run came to: `result.json`.
#[derive(Debug, Serialize)]
struct RunResult<'a> {
    verigrad: &'a str,
    recipe: &'a str,
    device: &'a DeviceInfo,
    parameters: usize,
    planned_bytes: usize,
    epochs: u32,
    steps: u64,
    best_epoch: u32,
    best_test_accuracy: f64,
    test_accuracy: f64,
    test_loss: f64,
    seconds: f64,
    weights_sha256: &'a str,
}

/// Trains.
pub(super) fn run(args: TrainArgs) -> Result<(), Failure> {
    train(args).map(|_| ())
}

/// Trains; returns where. There is no `result.json` when the run was ended before its first epoch.
pub(super) fn train(args: TrainArgs) -> Result<RunDir, Failure> {
    let started = Instant::now();
    let mut recipe = load_recipe(&args.recipe)?;
    args.init.freeze_in(&mut recipe);
    let recipe = recipe;
    let data = read_data(&recipe, &args.data)?;
    let mut executor = if args.shadow {
        open_shadow(&args.device, &args.picks)?
    } else if args.tune {
        open_tuned(&args.device, &args.picks, &recipe, &data)?
    } else {
        open_device(&args.device, &args.picks)?
    };
    let device = executor.info().clone();
    output::line(format_args!("device   {device}"));
    output::line(format_args!(
        "data     {}: {} training, {} test images, {} classes",
        data.train.name,
        grouped(data.train.len()),
        grouped(data.test.len()),
        data.train.classes.len()
    ));
    let image = image_of(&data.train);
    let summary = summary_text(&recipe, image, data.train.classes.len())?;
    let classes = data.train.classes.clone();

    memory::check(executor.as_ref(), &recipe, &data)?;
    let mut trainer = Trainer::new(executor.as_mut(), &recipe, data)?;
    let normalization = Some(trainer.model().normalization().clone());
    let model = ModelRecord { image, classes, normalization };
    args.init.apply(&mut trainer)?;
    let run_dir = RunDir::create(&args.runs, &recipe.name)?;
    run_dir.write_recipe(&recipe.to_toml()?)?;
    run_dir.write_device(&device)?;
    run_dir.write_summary(&summary)?;
    let mut kernels = Picks::new(&device.name, &device.driver);
    for program in trainer.programs() {
        kernels.merge(Picks::of_program(&device.name, &device.driver, program));
    }
    run_dir.write_kernels(&kernels.to_toml()?)?;
    run_dir.write_model(&model)?;
    let parameters = trainer.model().arena.parameter_count();
    let planned = trainer.planned_bytes();
    output::line(format_args!("model    {}: {} parameters", recipe.name, grouped(parameters)));
    output::line(format_args!(
        "memory   {} on the device, of which {} activations and {} data and states",
        bytes(planned),
        bytes(trainer.program().bytes_of(crate::compile::Role::Slot)),
        bytes(trainer.state_bytes())
    ));
    for section in recipe.looks_at_test() {
        output::line(format_args!(
            "note     {section} watches the test set: there is no validation split"
        ));
    }
    output::line(format_args!("run      {}", run_dir.path().display()));
    let mut recorder = Recorder {
        run_dir: &run_dir,
        title: format!("{} on {}", recipe.name, device.name),
        view: ProgressView::new(recipe.epochs),
        best: None,
        last: None,
        hash: String::new(),
    };
    let allocations = trainer.allocations();
    if args.trace.is_some() {
        trainer.trace(TRACE_FROM, TRACED_STEPS);
    }
    let stop = trainer.run(&mut recorder)?;
    if stop.reason != StopReason::Completed {
        output::line(format_args!("\nended    {}", stop.reason));
    }
    if let Some(path) = &args.trace {
        write_trace(path, trainer.program(), &device.name, trainer.profiles())?;
        output::line(format_args!("trace    {}", path.display()));
    }
    log::info!(
        "device buffers: {allocations} before the first step, {} after",
        trainer.allocations()
    );
    let steps = trainer.steps();
    let (Some(best), Some(last)) = (recorder.best, recorder.last) else { return Ok(run_dir) };
    let result = RunResult {
        verigrad: env!("CARGO_PKG_VERSION"),
        recipe: &recipe.name,
        device: &device,
        parameters,
        planned_bytes: planned,
        epochs: recipe.epochs,
        steps,
        best_epoch: best.0,
        best_test_accuracy: best.1,
        test_accuracy: last.test.accuracy,
        test_loss: last.test.loss,
        seconds: started.elapsed().as_secs_f64(),
        weights_sha256: &recorder.hash,
    };
    run_dir.write_result(&result)?;
    output::line(format_args!(
        "\ntest accuracy {:.2} % after {} epochs, {:.2} % at best (epoch {}), in {}",
        100.0 * result.test_accuracy,
        result.epochs,
        100.0 * result.best_test_accuracy,
        result.best_epoch,
        duration(started.elapsed())
    ));
    output::line(format_args!("weights  sha256 {}", result.weights_sha256));
    output::line(format_args!("curves   {}", run_dir.curves().display()));
    evaluate_end(&mut trainer, &run_dir, &recipe, &model.classes)?;
    super::report::after_run(&run_dir, &args.data);
    Ok(run_dir)
}

/// Writes what each epoch gave into the run directory.
struct Recorder<'a> {
    run_dir: &'a RunDir,
    title: String,
    view: ProgressView,
    best: Option<(u32, f64)>,
    last: Option<EpochResult>,
    hash: String,
}

impl Observer for Recorder<'_> {
    fn progress(&mut self, progress: &Progress) {
        self.view.show(progress);
    }

    fn epoch(
        &mut self,
        result: &EpochResult,
        weights: &[(String, HostTensor)],
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let metadata = BTreeMap::from([
            ("epoch".to_owned(), result.epoch.to_string()),
            ("test_accuracy".to_owned(), result.test.accuracy.to_string()),
        ]);
        save_weights(&self.run_dir.weights_last(), weights, &metadata)?;
        if result.best {
            save_weights(&self.run_dir.weights_best(), weights, &metadata)?;
            self.best = Some((result.epoch, result.test.accuracy));
        }
        self.hash = sha256_of_weights(weights);
        let learning_rate = result.step_losses.last().map_or(0.0, |s| f64::from(s.learning_rate));
        self.run_dir.append_epoch(&EpochRecord {
            epoch: result.epoch,
            step: result.steps,
            train_loss: result.train.loss,
            train_accuracy: result.train.accuracy,
            validation_loss: result.validation.map(|m| m.loss),
            validation_accuracy: result.validation.map(|m| m.accuracy),
            test_loss: Some(result.test.loss),
            test_accuracy: Some(result.test.accuracy),
            learning_rate,
            seconds: result.train_time.as_secs_f64(),
            images_per_second: result.images_per_second,
            loss_scale: result.loss_scale.map(|scaling| f64::from(scaling.scale)),
            skipped_steps: result.loss_scale.map(|scaling| scaling.skipped),
        })?;
        let steps: Vec<StepRecord> = result
            .step_losses
            .iter()
            .map(|s| StepRecord { step: s.step + 1, loss: s.loss, learning_rate: s.learning_rate })
            .collect();
        self.run_dir.append_steps(&steps)?;
        report::write_curves(&self.run_dir.curves(), &self.title, &self.run_dir.epochs()?)?;
        self.view.epoch(result);
        self.last = Some(result.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::{DeviceChoice, ExecError, open_gpu};
    use crate::train::load_weights;

    /// Records a run, and ends its device in the second epoch.
    struct Killing<'a> {
        recorder: Recorder<'a>,
        kill: &'a dyn Fn(),
        completed: usize,
        killed: bool,
    }

    impl Killing<'_> {
        fn kill(&mut self) {
            (self.kill)();
            self.killed = true;
        }
    }

    impl Observer for Killing<'_> {
        fn progress(&mut self, progress: &Progress) {
            if progress.epoch == 2 {
                self.kill();
            }
            self.recorder.progress(progress);
        }

        fn epoch(
            &mut self,
            result: &EpochResult,
            weights: &[(String, HostTensor)],
        ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
            assert!(!self.killed, "no epoch ends on a dead device");
            self.completed += 1;
            self.recorder.epoch(result, weights)?;
            if result.epoch == 2 {
                // A device so fast that the epoch had no progress to tell.
                self.kill();
            }
            Ok(())
        }
    }

    #[test]
    fn a_lost_device_is_an_error_and_leaves_the_weights_of_the_last_epoch() {
        let set = ["epochs=3", "data.train_size=1280", "data.test_size=64"].map(str::to_owned);
        let recipe = Recipe::builtin("digits", &set).expect("valid");
        let data = data::load(&recipe.data, None).expect("it is drawn");
        let mut gpu = open_gpu(&DeviceChoice::Gpu).expect("a GPU adapter");
        let kill = gpu.killer();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let run_dir = RunDir::create(folder.path(), "lost").expect("it can be made");
        let mut trainer = Trainer::new(&mut gpu, &recipe, data).expect("a trainer");
        let recorder = Recorder {
            run_dir: &run_dir,
            title: "lost".to_owned(),
            view: ProgressView::new(recipe.epochs),
            best: None,
            last: None,
            hash: String::new(),
        };
        let mut observer = Killing { recorder, kill: &kill, completed: 0, killed: false };
        let error = trainer.run(&mut observer).expect_err("the device is gone");
        let lost = match error.downcast_ref::<TrainError>() {
            Some(TrainError::Exec(error)) => error,
            other => unreachable!("{other:?}: {error}"),
        };
        assert!(matches!(lost, ExecError::Lost { .. }), "{lost}");
        assert!(lost.to_string().contains("was lost"), "{lost}");
        // Whatever is tried on it later is the same error, and no panic.
        assert!(trainer.run_steps(1).is_err() && trainer.weights().is_err());
        let kept = load_weights(&run_dir.weights_last()).expect("they are intact");
        let kept: Vec<(String, HostTensor)> = kept.into_iter().collect();
        assert!(observer.completed > 0);
        assert_eq!(run_dir.epochs().expect("they can be read").len(), observer.completed);
        assert_eq!(kept.len(), trainer.model().arena.entries.len());
    }
}
