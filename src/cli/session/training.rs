//! One session of a run: from its start, or from a checkpoint, to its end or an interruption.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::conclusion::{conclude, evaluate_end, keep_initial};
use super::diverged::{self, Beginning};
use super::init_from::InitArgs;
use super::progress::ProgressView;
use super::recorder::{Recorder, WeightsLabel};
use super::recovery::{Begun, begin_again};
use crate::cli::device::memory;
use crate::cli::failure::Failure;
use crate::cli::inputs::loading::image_of;
use crate::cli::text::account::by_class;
use crate::cli::text::layers::summary_text;
use crate::cli::trace::write_trace;
use crate::cli::{output, pages};
use crate::data::{Splits, Task};
use crate::exec::{DeviceInfo, Executor};
use crate::input;
use crate::report::format::{bytes, duration, grouped, grouped_u64};
use crate::train::{
    EventLog, Hook, Interrupt, Loaded, ModelRecord, Recipe, RunDir, RunPlan, RunPrograms,
    StopReason, Trainer,
};

/// Step at which a trace begins: after the first ones, which warm up.
const TRACE_FROM: u64 = 8;
/// Steps of a trace, or a few more: whole submissions are traced.
const TRACED_STEPS: usize = 4;

/// Makes the hooks that a run has beside those of its recipe, for each of its sessions.
pub(in crate::cli) type MoreHooks<'a> = &'a dyn Fn() -> Vec<Box<dyn Hook>>;

/// What is trained, and from where on.
pub(in crate::cli) struct Session<'a> {
    /// The device.
    pub executor: &'a mut dyn Executor,
    /// The recipe.
    pub recipe: Recipe,
    /// Its data.
    pub data: Arc<Splits>,
    /// Its programs, where they were compiled already.
    pub programs: Option<RunPrograms>,
    /// Where the run begins.
    pub start: Start<'a>,
    /// Where a trace of a few steps is written.
    pub trace: Option<&'a Path>,
    /// Ends the session once it is set.
    pub interrupted: Arc<AtomicBool>,
    /// Hooks beside those of the recipe.
    pub hooks: Vec<Box<dyn Hook>>,
    /// Whether the run is known to those who read what is printed.
    pub is_told: bool,
}

/// Where a run begins.
pub(in crate::cli) enum Start<'a> {
    /// With initial weights, in a new directory where there is none yet.
    New {
        /// The folder of run directories.
        runs: &'a Path,
        /// Weights to begin with in place of initial ones.
        init: &'a InitArgs,
    },
    /// At a checkpoint.
    Resumed {
        /// The directory of the run.
        run_dir: RunDir,
        /// Its newest intact checkpoint.
        loaded: Box<Loaded>,
        /// The weights that the run began with, where it began in this process.
        init: Option<&'a InitArgs>,
    },
}

/// How a session ended.
pub(in crate::cli) struct Ended {
    /// The directory of the run.
    pub run_dir: RunDir,
    /// Whether it was interrupted, so that it has no result yet.
    pub interrupted: bool,
}

/// Trains until the run ends or is interrupted. `begun` is the run as far as it is known; it stays so where
/// the session fails.
pub(in crate::cli) fn run(
    session: Session<'_>,
    begun: &mut Option<Begun>,
) -> Result<Ended, Failure> {
    let Session { executor, recipe, data, programs, start, trace, interrupted, hooks, is_told } =
        session;
    let device = executor.info().clone();
    if !is_told {
        tell_data(&device, &data);
    }
    let image = image_of(&data.train);
    let summary = summary_text(&recipe, image, data.train.classes.len())?;
    let classes = data.train.classes.clone();
    let mut account = data.account.clone();

    let programs = match programs {
        Some(programs) => programs,
        None => RunPrograms::compile(&recipe, &data, executor.caps(), executor.picks())?,
    };
    memory::check(executor, &programs, &data)?;
    let mut trainer = Trainer::with_programs(executor, programs, data)?;
    let normalization = Some(trainer.model().normalization().clone());
    let model = ModelRecord { image, classes, task: recipe.data.task, normalization };
    hooks.into_iter().for_each(|hook| trainer.add_hook(hook));
    trainer.add_hook(Box::new(Interrupt::new(interrupted.clone())));
    trainer.make_checkpoints(recipe.checkpoint.every)?;
    let beginning = match &start {
        Start::New { init, .. } | Start::Resumed { init: Some(init), .. } => {
            Beginning::Initial(init, &model.classes)
        }
        Start::Resumed { .. } => Beginning::Earlier,
    };
    let (run_dir, saved) = match start {
        Start::New { runs, init } => {
            init.apply(&mut trainer, &recipe, &model.classes)?;
            let run_dir = match begun {
                Some(begun) => {
                    begin_again(&begun.run_dir)?;
                    begun.run_dir.clone()
                }
                None => {
                    let run_dir = RunDir::create(runs, &recipe.name)?;
                    let (lock, kernels) = (run_dir.lock()?, trainer.kernels());
                    begun.insert(Begun::new(run_dir, lock, kernels)).run_dir.clone()
                }
            };
            (run_dir, None)
        }
        Start::Resumed { run_dir, loaded, .. } => {
            go_on(&mut trainer, &run_dir, &loaded, &model.classes)?;
            (run_dir, Some(loaded.checkpoint.state.step))
        }
    };
    run_dir.write_recipe(&recipe.to_toml()?)?;
    run_dir.write_device(&device)?;
    run_dir.write_summary(&summary)?;
    run_dir.write_kernels(&trainer.kernels().to_toml()?)?;
    run_dir.write_model(&model)?;
    run_dir.write_data(&account)?;
    let parameters = trainer.model().arena.parameter_count();
    let plan = *trainer.memory_plan();
    run_dir.write_plan(&RunPlan {
        parameters,
        planned_bytes: plan.tensors,
        planned_host_bytes: plan.host(),
    })?;
    if !is_told {
        let name = &recipe.name;
        output::line(format_args!("model    {name}: {} parameters", grouped(parameters)));
        output::line(format_args!(
            "memory   {} on the device: {} activations, {} data and states",
            bytes(plan.tensors),
            bytes(trainer.program().bytes_of(crate::compile::Role::Slot)),
            bytes(trainer.state_bytes())
        ));
        output::line(format_args!(
            "         {} on the host at most: {} data set at first, later {}",
            bytes(plan.host()),
            bytes(plan.data),
            bytes(plan.host_later())
        ));
        for section in recipe.looks_at_test() {
            output::line(format_args!(
                "note     {section} watches the test set: there is no validation split"
            ));
        }
    }
    output::line(format_args!("run      {}", run_dir.path().display()));
    let title = format!("{} on {}", recipe.name, device.name);
    let view = ProgressView::new(recipe.epochs, recipe.budget.time());
    let classes = model.classes.as_slice();
    let events = match recipe.log.tensorboard {
        true => Some(EventLog::begin(&run_dir.path().join("tensorboard"), trainer.steps())?),
        false => None,
    };
    events
        .as_ref()
        .map_or(Ok(()), |events| events.recipe(&recipe.to_toml()?).map_err(Failure::from))?;
    let mut recorder =
        Recorder::new((&run_dir, classes), title, view, recipe.checkpoint.keep, saved)
            .with_events(events.as_ref());
    let allocations = trainer.allocations();
    if trace.is_some() {
        trainer.trace(TRACE_FROM, TRACED_STEPS);
    }
    let stop = match trainer.run(&mut recorder) {
        Ok(stop) => stop,
        Err(error) => {
            // The bar first.
            let _ = recorder.finish();
            let run = (&run_dir, &recipe);
            return Err(diverged::explain(&mut trainer, run, beginning, error, &interrupted));
        }
    };
    let recorded = recorder.finish();
    let found = trainer.found_damaged();
    if let Some(first) = found.first() {
        output::note(format_args!(
            "warning: {} pictures were damaged, and others of their class took their places, such as for \
             {}: {}",
            grouped(found.len()),
            first.file,
            first.problem
        ));
        account.damaged.extend(found);
        run_dir.write_data(&account)?;
    }
    if let Some(path) = trace {
        write_trace(path, trainer.program(), &device.name, trainer.profiles())?;
        output::line(format_args!("trace    {}", path.display()));
    }
    log::info!(
        "device buffers: {allocations} before the first step, {} after",
        trainer.allocations()
    );
    if stop.reason == StopReason::Interrupted {
        // Without a checkpoint of this very moment, work is lost: that is no orderly end.
        recorded?;
        tell_interrupted(&trainer, &run_dir, &recipe);
        return Ok(Ended { run_dir, interrupted: true });
    }
    let evaluated = if recipe.epochs == 0 {
        let ended = (&stop, &*interrupted);
        Some(keep_initial(&mut trainer, &run_dir, &recipe, classes, ended)?)
    } else {
        None
    };
    let initial = evaluated.as_ref().and_then(|(splits, _)| splits.get("test"));
    let what = (&recipe, classes);
    conclude(&mut trainer, &run_dir, what, &stop, initial)?;
    match evaluate_end(&mut trainer, &run_dir, what, evaluated, &interrupted) {
        Err(failure) if failure.is_interruption() => {
            output::line(format_args!(
                "\ninterrupted in the last evaluation: the training is done, and all of it saved. \
                 Evaluate it with\n  verigrad train --resume {}",
                run_dir.path().display()
            ));
            return Ok(Ended { run_dir, interrupted: true });
        }
        evaluated => evaluated?,
    }
    pages::after_run(&run_dir, trainer.test_set());
    if let Some(events) = &events {
        end_events(events, &run_dir, trainer.steps())?;
    }
    Ok(Ended { run_dir, interrupted: false })
}

/// Shows the pictures of the run's page in TensorBoard, too, and that the run is done.
fn end_events(events: &EventLog, run_dir: &RunDir, step: u64) -> Result<(), Failure> {
    let folder = run_dir.path().join("pictures");
    let pictures = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = pictures.map(|entry| entry.path()).collect();
    paths.push(run_dir.curves());
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|name| name == "png")) {
        let png = input::read(path, input::MOST_OF_A_PICTURE);
        let (Some(name), Ok(png)) = (path.file_stem(), png) else { continue };
        let format = image::ImageFormat::Png;
        let reader = image::ImageReader::with_format(std::io::Cursor::new(&png), format);
        let Ok(size) = reader.into_dimensions() else { continue };
        events.picture(&name.to_string_lossy(), step, (png, size.into()))?;
    }
    events.end(step)?;
    Ok(())
}

/// Tells where is computed, and of what.
fn tell_data(device: &DeviceInfo, data: &Splits) {
    output::line(format_args!("device   {}", in_lines(device)));
    output::line(format_args!(
        "data     {}: {} training, {} test images, {} {}",
        data.train.name,
        grouped(data.train.len()),
        grouped(data.test.len()),
        data.train.classes.len(),
        if data.train.task() == Task::Regression { "targets" } else { "classes" }
    ));
    output::text(format_args!("{}", by_class(&data.account)));
}

/// Brings trainer and run directory to where a checkpoint was taken.
fn go_on(
    trainer: &mut Trainer<'_>,
    run_dir: &RunDir,
    loaded: &Loaded,
    classes: &[String],
) -> Result<(), Failure> {
    let state = &loaded.checkpoint.state;
    trainer.restore(&loaded.checkpoint)?;
    run_dir.checkpoints().clean_up(&loaded.path)?;
    run_dir.remove_result()?;
    let (epochs, steps) = (state.epochs_done(), state.steps_of_epochs_done());
    for what in run_dir.restore_metrics(epochs, steps, state.epochs().as_deref())? {
        output::note(format_args!("warning: {what}"));
    }
    if let Some(best) = trainer.best() {
        let (epoch, test_accuracy) = (best.epoch, best.test_accuracy);
        let label = WeightsLabel { epoch, test_accuracy, classes };
        label.save(&run_dir.weights_best(), best.weights)?;
    }
    output::line(format_args!(
        "resumed  after {} steps: {} whole epochs and {} steps, in {}",
        grouped_u64(state.step),
        state.epochs_done(),
        grouped_u64(state.step_in_epoch()),
        duration(trainer.run_time())
    ));
    Ok(())
}

/// A device on a line, or on two where one would be wider than a terminal.
fn in_lines(device: &DeviceInfo) -> String {
    /// Columns behind the heading.
    const COLUMNS: usize = 71;
    let text = device.to_string();
    match text.strip_prefix(&device.name) {
        Some(more) if text.chars().count() > COLUMNS => {
            format!("{}\n         {}", device.name, more.trim_start())
        }
        _ => text,
    }
}

fn tell_interrupted(trainer: &Trainer<'_>, run_dir: &RunDir, recipe: &Recipe) {
    let per_epoch = trainer.steps_per_epoch() as u64;
    output::line(format_args!(
        "\ninterrupted after {} of {} steps, in {}; everything is saved. Go on with\n  verigrad \
         train --resume {}",
        grouped_u64(trainer.steps()),
        grouped_u64(per_epoch.saturating_mul(recipe.epochs.into())),
        duration(trainer.run_time()),
        run_dir.path().display()
    ));
}
