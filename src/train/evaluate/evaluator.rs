//! Evaluation of a model on a data set: loss, accuracy, confusion, predictions.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::compile::Program;
use crate::data::{Dataset, Task};
use crate::exec::{Executor, ProgramId};
use crate::train::TrainError;
use crate::train::step::feed::Feed;
use crate::train::step::metrics::{Metrics, metrics};
use crate::train::step::model::ModelPrograms;
use crate::train::step::programs::FedProgram;
use crate::train::store::records::evaluation::SplitEvaluation;
use crate::train::store::records::predictions::{Predicted, Predictions};
use crate::train::store::records::targets::TargetPredictions;

/// Evaluates the parameters that an executor holds on one data set.
#[derive(Debug)]
pub struct Evaluator {
    feed: Feed,
    program: Arc<Program>,
    id: ProgramId,
    classifies: bool,
    task: Task,
    counts_top: bool,
    counts_confusion: bool,
}

impl Evaluator {
    /// Compiles and loads the evaluation of `data` under `name`, and uploads the data.
    ///
    /// # Errors
    /// When the program does not fit the device, or the device fails.
    pub fn new(
        executor: &mut dyn Executor,
        model: &ModelPrograms,
        name: &str,
        data: &Dataset,
        batch: usize,
    ) -> Result<Self, TrainError> {
        let feed = Feed::plan(name, data, batch, false, executor.caps());
        let program = model.evaluation(name, &feed, executor.caps(), executor.picks())?.into();
        Self::load(executor, model, data, FedProgram { feed, program })
    }

    /// Loads the compiled evaluation of `data`, and uploads the data where they are not on the device
    /// yet.
    pub(in crate::train) fn load(
        executor: &mut dyn Executor,
        model: &ModelPrograms,
        data: &Dataset,
        FedProgram { feed, program }: FedProgram,
    ) -> Result<Self, TrainError> {
        let id = executor.load(program.clone())?;
        feed.upload(executor, data)?;
        model.upload_statistics(executor)?;
        Ok(Self {
            feed,
            program,
            id,
            classifies: model.classifies(),
            task: model.task(),
            counts_top: model.counts_top(),
            counts_confusion: model.counts_confusion(),
        })
    }

    /// The program of one batch.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Runs one pass.
    ///
    /// # Errors
    /// When the device fails.
    pub fn run(&self, executor: &mut dyn Executor, data: &Dataset) -> Result<Metrics, TrainError> {
        self.run_until(executor, data, None)
    }

    /// As [`Self::run`], until `interrupted` is set.
    fn run_until(
        &self,
        executor: &mut dyn Executor,
        data: &Dataset,
        interrupted: Option<&AtomicBool>,
    ) -> Result<Metrics, TrainError> {
        let started = Instant::now();
        self.reset(executor)?;
        let order = self.feed.epoch_order(0, 0, false);
        let mut pass = self.feed.start_pass(executor, order, 0, None)?;
        let mut step = 0;
        let mut left = u32::try_from(self.feed.steps_per_epoch()).unwrap_or(u32::MAX);
        while left > 0 {
            go_on(interrupted)?;
            // Short submissions keep the driver's watchdog quiet.
            let steps = left.min(8).min(self.feed.longest_run(step));
            self.feed.prepare(executor, data, &mut pass, step, steps)?;
            executor.run(self.id, steps)?;
            step += u64::from(steps);
            left -= steps;
        }
        let metrics = self.metrics(executor)?;
        let time = 1e3 * started.elapsed().as_secs_f64();
        log::debug!("{}: {} examples in {time:.0} ms", self.program.name, metrics.examples);
        Ok(metrics)
    }

    /// Runs one pass and derives all figures of the set, whose classes have the names in `data`.
    ///
    /// # Errors
    /// When the device fails.
    pub fn evaluate(
        &self,
        executor: &mut dyn Executor,
        data: &Dataset,
    ) -> Result<SplitEvaluation, TrainError> {
        self.evaluate_until(executor, data, None)
    }

    /// As [`Self::evaluate`], until `interrupted` is set.
    ///
    /// # Errors
    /// When the device fails, or with [`TrainError::Interrupted`].
    pub fn evaluate_until(
        &self,
        executor: &mut dyn Executor,
        data: &Dataset,
        interrupted: Option<&AtomicBool>,
    ) -> Result<SplitEvaluation, TrainError> {
        if !self.task.is_classification() {
            return Ok(self.predict_until(executor, data, interrupted)?.0);
        }
        let metrics = self.run_until(executor, data, interrupted)?;
        self.figures(executor, metrics, data)
    }

    /// As [`Self::evaluate`], batch by batch, with the prediction for each example.
    ///
    /// # Errors
    /// When the device fails.
    pub fn predict(
        &self,
        executor: &mut dyn Executor,
        data: &Dataset,
    ) -> Result<(SplitEvaluation, Predicted), TrainError> {
        self.predict_until(executor, data, None)
    }

    /// As [`Self::predict`], until `interrupted` is set.
    ///
    /// # Errors
    /// When the device fails, or with [`TrainError::Interrupted`].
    pub fn predict_until(
        &self,
        executor: &mut dyn Executor,
        data: &Dataset,
        interrupted: Option<&AtomicBool>,
    ) -> Result<(SplitEvaluation, Predicted), TrainError> {
        self.reset(executor)?;
        let order = self.feed.epoch_order(0, 0, false);
        let mut pass = self.feed.start_pass(executor, order, 0, None)?;
        let answers = if self.classifies { "probabilities" } else { "outputs" };
        let (mut outputs, mut predictions) = (Vec::new(), Vec::new());
        for step in 0..self.feed.steps_per_epoch() as u64 {
            go_on(interrupted)?;
            self.feed.prepare(executor, data, &mut pass, step, 1)?;
            executor.run(self.id, 1)?;
            let bytes = executor.read_now(&self.buffer(answers))?;
            outputs.extend(bytemuck::pod_collect_to_vec::<u8, f32>(&bytes));
            if self.classifies {
                predictions.extend(read_u32s(executor, &self.buffer("predictions"))?);
            }
        }
        // The last batch may have rows of no example.
        outputs.truncate(data.len() * data.classes.len());
        predictions.truncate(data.len());
        let metrics = self.metrics(executor)?;
        if self.classifies {
            let figures = self.figures(executor, metrics, data)?;
            let (labels, classes) = (data.labels.clone(), data.classes.len());
            let of_classes = Predictions { labels, predictions, probabilities: outputs, classes };
            return Ok((figures, Predicted::Classes(of_classes)));
        }
        let targets = (0..data.len()).filter_map(|i| data.targets_of(i)).flatten().copied();
        let (names, targets) = (data.classes.clone(), targets.collect());
        let predicted = TargetPredictions::of_outputs(self.task, names, targets, outputs);
        Ok((predicted.figures(metrics), Predicted::Targets(predicted)))
    }

    /// Starts a pass.
    fn reset(&self, executor: &mut dyn Executor) -> Result<(), TrainError> {
        for (part, used) in [
            ("step", true),
            ("loss", true),
            ("correct", true),
            ("top5", self.counts_top),
            ("confusion", self.counts_confusion),
        ] {
            if used {
                let buffer = self.buffer(part);
                let state = self.program.buffers.iter().find(|state| state.name == buffer);
                executor.write(&buffer, 0, &vec![0; state.map_or(0, |state| state.bytes)])?;
            }
        }
        Ok(())
    }

    /// Means of a pass.
    fn metrics(&self, executor: &mut dyn Executor) -> Result<Metrics, TrainError> {
        let loss = executor.read_now(&self.buffer("loss"))?;
        let loss: Vec<f32> = bytemuck::pod_collect_to_vec(&loss);
        let counts = read_u32s(executor, &self.buffer("correct"))?;
        let means = metrics(f64::from(loss[0]), counts[0], counts[1]);
        Ok(means.of_model(self.classifies))
    }

    /// Everything else about a pass.
    fn figures(
        &self,
        executor: &mut dyn Executor,
        metrics: Metrics,
        data: &Dataset,
    ) -> Result<SplitEvaluation, TrainError> {
        let mut top = None;
        if self.counts_top {
            let counts = read_u32s(executor, &self.buffer("top5"))?;
            top = Some(f64::from(counts[0]) / f64::from(counts[1].max(1)));
        }
        let mut confusion = Vec::new();
        if self.counts_confusion {
            let counts = read_u32s(executor, &self.buffer("confusion"))?;
            let rows = counts.chunks(data.classes.len().max(1));
            confusion.extend(rows.map(|row| row.iter().copied().map(u64::from).collect()));
        }
        Ok(SplitEvaluation::new(metrics, top, confusion, &data.classes))
    }

    fn buffer(&self, part: &str) -> String {
        format!("{}/{part}", self.program.name)
    }

    /// Reads once what [`Self::run`] reads, so that the buffers for it exist.
    pub(in crate::train) fn prime_reads(
        &self,
        executor: &mut dyn Executor,
    ) -> Result<(), TrainError> {
        for part in ["loss", "correct"] {
            executor.read_now(&self.buffer(part))?;
        }
        Ok(())
    }
}

/// An error once somebody has asked to end.
fn go_on(interrupted: Option<&AtomicBool>) -> Result<(), TrainError> {
    match interrupted {
        Some(flag) if flag.load(Ordering::Relaxed) => Err(TrainError::Interrupted),
        _ => Ok(()),
    }
}

fn read_u32s(executor: &mut dyn Executor, buffer: &str) -> Result<Vec<u32>, TrainError> {
    Ok(bytemuck::pod_collect_to_vec(&executor.read_now(buffer)?))
}
