//! Evaluation of a model on a data set: loss, accuracy, class probabilities.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::TrainError;
use super::feed::Feed;
use super::programs::{Metrics, ModelPrograms};
use crate::compile::Program;
use crate::data::Dataset;
use crate::exec::{Executor, ProgramId};
use crate::tensor::HostTensor;

/// Evaluates the parameters that an executor holds on one data set.
#[derive(Debug)]
pub struct Evaluator {
    name: String,
    feed: Feed,
    program: Arc<Program>,
    id: ProgramId,
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
        let caps = executor.caps().clone();
        let feed = Feed::plan(name, data, batch, false, &caps);
        let program = model.evaluation(name, &feed, &caps, executor.picks())?;
        let program = Arc::new(program);
        let id = executor.load(program.clone())?;
        feed.upload(executor, data)?;
        Ok(Self { name: name.to_owned(), feed, program, id })
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
        let buffer = |part: &str| format!("{}/{part}", self.name);
        executor.write(&buffer("step"), 0, &[0; 4])?;
        executor.write(&buffer("loss"), 0, &[0; 4])?;
        executor.write(&buffer("correct"), 0, &[0; 8])?;
        let order = self.feed.epoch_order(0, 0, false);
        let mut step = 0;
        let mut left = u32::try_from(self.feed.steps_per_epoch()).unwrap_or(u32::MAX);
        while left > 0 {
            // Short submissions keep the driver's watchdog quiet.
            let steps = left.min(8).min(self.feed.longest_run(step));
            self.feed.prepare(executor, data, &order, 0, step, steps)?;
            executor.run(self.id, steps)?;
            step += u64::from(steps);
            left -= steps;
        }
        let loss = executor.read_now(&buffer("loss"))?;
        let correct = executor.read_now(&buffer("correct"))?;
        let loss: Vec<f32> = bytemuck::pod_collect_to_vec(&loss);
        let counts: Vec<u32> = bytemuck::pod_collect_to_vec(&correct);
        Ok(metrics(f64::from(loss[0]), counts[0], counts[1]))
    }

    /// Reads once what [`Self::run`] reads, so that the buffers for it exist.
    pub(super) fn prime_reads(&self, executor: &mut dyn Executor) -> Result<(), TrainError> {
        for part in ["loss", "correct"] {
            executor.read_now(&format!("{}/{part}", self.name))?;
        }
        Ok(())
    }

    /// Class probabilities of every example, row by row.
    ///
    /// # Errors
    /// When the device fails.
    pub fn probabilities(
        &self,
        executor: &mut dyn Executor,
        data: &Dataset,
    ) -> Result<Vec<f32>, TrainError> {
        let order = self.feed.epoch_order(0, 0, false);
        executor.write(&format!("{}/step", self.name), 0, &[0; 4])?;
        let mut all: Vec<f32> = Vec::new();
        for step in 0..self.feed.steps_per_epoch() as u64 {
            self.feed.prepare(executor, data, &order, 0, step, 1)?;
            executor.run(self.id, 1)?;
            let bytes = executor.read_now(&format!("{}/probabilities", self.name))?;
            all.extend(bytemuck::pod_collect_to_vec::<u8, f32>(&bytes));
        }
        all.truncate(data.len() * data.classes.len());
        Ok(all)
    }
}

/// Means from sums.
pub(super) fn metrics(loss_sum: f64, correct: u32, counted: u32) -> Metrics {
    let n = f64::from(counted.max(1));
    Metrics { loss: loss_sum / n, accuracy: f64::from(correct) / n, examples: counted.into() }
}

/// Weights that were checked against a model and wait for its buffers.
#[derive(Debug, Clone)]
pub struct PendingWeights {
    parameters: Vec<f32>,
    states: Vec<(String, Vec<f32>)>,
}

impl PendingWeights {
    /// Checks names and shapes.
    ///
    /// # Errors
    /// Names the first tensor that is missing, superfluous or of another shape.
    pub fn check(
        model: &ModelPrograms,
        weights: &BTreeMap<String, HostTensor>,
    ) -> Result<Self, TrainError> {
        let find = |name: &str, shape: &crate::tensor::Shape| {
            let tensor = weights
                .get(name)
                .ok_or_else(|| TrainError::Weights(format!("{name} {shape} is missing")))?;
            if tensor.ty().shape == *shape {
                Ok(tensor.f32s().to_vec())
            } else {
                let given = &tensor.ty().shape;
                Err(TrainError::Weights(format!(
                    "{name} has shape {given}, the model expects {shape}"
                )))
            }
        };
        let mut parameters = vec![0.0; model.arena.elements];
        for entry in &model.arena.entries {
            let values = find(&entry.spec.name, &entry.spec.shape)?;
            parameters[entry.offset..entry.offset + values.len()].copy_from_slice(&values);
        }
        let mut states = Vec::with_capacity(model.states.len());
        for state in &model.states {
            states.push((state.name.clone(), find(&state.name, &state.shape)?));
        }
        let known = model.arena.entries.len() + model.states.len();
        if weights.len() != known {
            let is_known = |name: &String| {
                model.arena.find(name).is_some() || model.states.iter().any(|s| s.name == *name)
            };
            let extra = weights.keys().find(|name| !is_known(name)).cloned().unwrap_or_default();
            return Err(TrainError::Weights(format!("the model has no tensor called {extra}")));
        }
        Ok(Self { parameters, states })
    }

    /// The parameters in the order of the arena.
    pub(super) fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    /// Writes the weights; a program that uses them must be loaded.
    ///
    /// # Errors
    /// When the device fails.
    pub fn write(&self, executor: &mut dyn Executor) -> Result<(), TrainError> {
        executor.write("parameters", 0, bytemuck::cast_slice(&self.parameters))?;
        for (name, values) in &self.states {
            executor.write(name, 0, bytemuck::cast_slice(values))?;
        }
        Ok(())
    }
}
