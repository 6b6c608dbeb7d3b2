//! The training loop: many steps per submission, metrics read without waiting.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::evaluate::{Evaluator, PendingWeights, metrics};
use super::feed::Feed;
use super::look::Look;
use super::loss_scaling::{self, LossScale};
use super::memory::planned_bytes;
use super::programs::{LOSS_LOG, Metrics, ModelPrograms, RATE_LOG, STEP};
use super::stepping::{SetupTimes, Traced};
use super::{Recipe, TrainError};
use crate::compile::{Program, Role};
use crate::data::Splits;
use crate::exec::{Executor, ProgramId};
use crate::tensor::HostTensor;

/// How long one submission should keep the device busy: short enough for a smooth progress bar and
/// for the watchdogs of desktop drivers, long enough to hide the host.
const SUBMISSION: Duration = Duration::from_millis(100);
/// Most steps of one submission.
pub(super) const MAX_STEPS: u32 = 64;

/// Where training stands, between two submissions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Epoch, from one.
    pub epoch: u32,
    /// Steps of this epoch that were submitted.
    pub step_in_epoch: u64,
    /// Steps of an epoch.
    pub steps_per_epoch: u64,
    /// Mean loss of the latest steps whose results have arrived.
    pub loss: f64,
    /// Accuracy over this epoch so far, as far as results have arrived.
    pub accuracy: f64,
    /// Images per second over this epoch.
    pub images_per_second: f64,
}

/// Loss and learning rate of one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepLoss {
    /// Step, from zero.
    pub step: u64,
    /// Mean loss of the batch.
    pub loss: f32,
    /// Learning rate.
    pub learning_rate: f32,
}

/// What an epoch gave.
#[derive(Debug, Clone, PartialEq)]
pub struct EpochResult {
    /// Epoch, from one.
    pub epoch: u32,
    /// Steps completed since the start.
    pub steps: u64,
    /// Loss and accuracy on the training set, while it was trained on.
    pub train: Metrics,
    /// On the validation set, where there is one.
    pub validation: Option<Metrics>,
    /// On the test set.
    pub test: Metrics,
    /// Duration of the training part.
    pub train_time: Duration,
    /// Images per second of the training part.
    pub images_per_second: f64,
    /// Whether this is the best epoch so far, by validation accuracy (by test accuracy where there
    /// is no validation set).
    pub best: bool,
    /// Loss and learning rate of each step.
    pub step_losses: Vec<StepLoss>,
    /// Where loss scaling stands, if activations have 16 bits.
    pub loss_scale: Option<LossScale>,
}

/// Listens to a run.
pub trait Observer {
    /// Called between submissions.
    fn progress(&mut self, progress: &Progress);

    /// Called after each epoch, with the weights.
    ///
    /// # Errors
    /// Ends the run.
    fn epoch(
        &mut self,
        result: &EpochResult,
        weights: &[(String, HostTensor)],
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;
}

/// A model in training on one device.
pub struct Trainer<'a> {
    pub(super) executor: &'a mut dyn Executor,
    pub(super) recipe: Recipe,
    pub(super) data: Splits,
    model: ModelPrograms,
    pub(super) feed: Feed,
    program: Arc<Program>,
    pub(super) id: ProgramId,
    validation: Option<Evaluator>,
    test: Evaluator,
    pub(super) step: u64,
    steps_per_submission: u32,
    best: Option<f64>,
    pub(super) setup: SetupTimes,
    pub(super) traced: Traced,
    /// Order of examples of [`Self::run_steps`], once it was asked for.
    pub(super) order: Vec<u32>,
}

impl std::fmt::Debug for Trainer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trainer")
            .field("recipe", &self.recipe.name)
            .field("step", &self.step)
            .finish_non_exhaustive()
    }
}

impl<'a> Trainer<'a> {
    /// Builds the model, compiles its programs, allocates all memory, uploads the data and writes
    /// initial weights.
    ///
    /// # Errors
    /// When the model does not fit the data, a program does not fit the device, or the device
    /// fails.
    pub fn new(
        executor: &'a mut dyn Executor,
        recipe: &Recipe,
        data: Splits,
    ) -> Result<Self, TrainError> {
        let mut clock = Instant::now();
        let mut lap = || {
            let lap = clock.elapsed();
            clock = Instant::now();
            lap
        };
        let train = &data.train;
        let model = ModelPrograms::of_recipe(recipe, train)?;
        let caps = executor.caps().clone();
        let batch = recipe.batch_size;
        let feed = Feed::plan("train", train, batch, recipe.drops_last(), &caps);
        let program = Arc::new(model.training(recipe, &feed, &caps, executor.picks())?);
        let compile = lap();
        let id = executor.load(program.clone())?;
        let load = lap();
        feed.upload(executor, train)?;
        let setup = SetupTimes { compile, load, upload: lap(), rest: Duration::ZERO };
        let test = Evaluator::new(executor, &model, "test", &data.test, batch)?;
        let validation = match &data.validation {
            Some(set) => Some(Evaluator::new(executor, &model, "validation", set, batch)?),
            None => None,
        };
        let mut data = data;
        if feed.is_resident() {
            // The device has them: training never looks at the host's copy again.
            data.train.images = Vec::new();
        }
        let mut trainer = Self {
            executor,
            recipe: recipe.clone(),
            data,
            model,
            feed,
            program,
            id,
            validation,
            test,
            step: 0,
            steps_per_submission: 1,
            best: None,
            setup,
            traced: Traced::default(),
            order: Vec::new(),
        };
        trainer.write_initial_weights()?;
        trainer.prime_reads()?;
        trainer.setup.rest = lap();
        Ok(trainer)
    }

    /// The model.
    pub fn model(&self) -> &ModelPrograms {
        &self.model
    }

    /// The program of one training step.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The programs of the run: training, test and validation.
    pub fn programs(&self) -> impl Iterator<Item = &Program> {
        let evaluators = [Some(&self.test), self.validation.as_ref()];
        std::iter::once(self.program())
            .chain(evaluators.into_iter().flatten().map(Evaluator::program))
    }

    /// The executor's handle of [`Self::program`].
    pub fn program_id(&self) -> ProgramId {
        self.id
    }

    /// Device memory in bytes: parameters and optimiser state, data sets, and everything else that
    /// the programs use. Nothing is allocated later.
    pub fn planned_bytes(&self) -> usize {
        planned_bytes(self.programs())
    }

    /// Part of [`Self::planned_bytes`] that the training program's states take: parameters,
    /// optimiser state and the training set.
    pub fn state_bytes(&self) -> usize {
        self.program.bytes_of(Role::State)
    }

    /// Steps completed or submitted.
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// Steps of an epoch.
    pub fn steps_per_epoch(&self) -> usize {
        self.feed.steps_per_epoch()
    }

    /// Device buffers allocated so far.
    pub fn allocations(&self) -> usize {
        self.executor.allocations()
    }

    /// Bytes of the device buffers that hold tensors: what [`Self::planned_bytes`] said.
    pub fn tensor_bytes(&self) -> usize {
        self.executor.tensor_bytes()
    }

    /// Replaces the weights.
    ///
    /// # Errors
    /// When they do not fit the model.
    pub fn set_weights(&mut self, weights: &[(String, HostTensor)]) -> Result<(), TrainError> {
        let weights = weights.iter().cloned().collect();
        PendingWeights::check(&self.model, &weights)?.write(self.executor)
    }

    /// The weights: parameters in the order of the layers, then running statistics.
    ///
    /// # Errors
    /// When the device fails.
    pub fn weights(&mut self) -> Result<Vec<(String, HostTensor)>, TrainError> {
        let all: Vec<f32> = bytemuck::pod_collect_to_vec(&self.executor.read_now("parameters")?);
        let mut weights = Vec::new();
        for spec in &self.model.parameters {
            let Some(entry) = self.model.arena.find(&spec.name) else { continue };
            let values = &all[entry.offset..entry.offset + spec.shape.elements()];
            weights.push((spec.name.clone(), HostTensor::from_f32(spec.shape.clone(), values)?));
        }
        for state in &self.model.states {
            let bytes = self.executor.read_now(&state.name)?;
            let values: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes);
            weights.push((state.name.clone(), HostTensor::from_f32(state.shape.clone(), &values)?));
        }
        Ok(weights)
    }

    /// Trains for all epochs of the recipe.
    ///
    /// # Errors
    /// When the device fails, the loss is no number any more, or the observer ends the run.
    pub fn run(
        &mut self,
        observer: &mut dyn Observer,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        for epoch in 1..=self.recipe.epochs {
            let result = self.epoch(epoch, observer)?;
            let weights = self.weights()?;
            observer.epoch(&result, &weights)?;
        }
        Ok(())
    }

    /// The losses of the epoch that is under way or was completed last, by position in the epoch.
    ///
    /// # Errors
    /// When the device fails.
    pub fn losses(&mut self) -> Result<Vec<f32>, TrainError> {
        Ok(bytemuck::pod_collect_to_vec(&self.executor.read_now(LOSS_LOG)?))
    }

    /// Where loss scaling stands, if activations have 16 bits.
    ///
    /// # Errors
    /// When the device fails.
    pub fn loss_scale(&mut self) -> Result<Option<LossScale>, TrainError> {
        self.scales_loss().then(|| loss_scaling::read(self.executor)).transpose()
    }

    /// Goes on with another factor on the loss; without effect where activations have 32 bits.
    ///
    /// # Errors
    /// When the device fails.
    pub fn set_loss_scale(&mut self, scale: f32) -> Result<(), TrainError> {
        if self.scales_loss() { loss_scaling::set(self.executor, scale) } else { Ok(()) }
    }

    fn scales_loss(&self) -> bool {
        !self.recipe.precision.is_f32()
    }

    fn write_initial_weights(&mut self) -> Result<(), TrainError> {
        let mut weights: Vec<(String, HostTensor)> = self
            .model
            .parameters
            .iter()
            .map(|spec| (spec.name.clone(), spec.initial(self.recipe.seed)))
            .collect();
        for state in &self.model.states {
            let values = vec![state.initial; state.shape.elements()];
            weights.push((state.name.clone(), HostTensor::from_f32(state.shape.clone(), &values)?));
        }
        self.executor.write(STEP, 0, &[0; 4])?;
        if self.scales_loss() {
            loss_scaling::write_initial(self.executor)?;
        }
        self.set_weights(&weights)
    }

    /// Reads once whatever a run reads, so that the buffers for it exist before the first step.
    fn prime_reads(&mut self) -> Result<(), TrainError> {
        self.weights()?;
        self.losses()?;
        self.loss_scale()?;
        let mut look = Look::new(Instant::now());
        look.ask(self.executor, 0)?;
        look.finish()?;
        self.test.prime_reads(self.executor)?;
        match &self.validation {
            Some(evaluator) => evaluator.prime_reads(self.executor),
            None => Ok(()),
        }
    }

    fn submit(&mut self, order: &[u32], first: u64, steps: u32) -> Result<(), TrainError> {
        let data = &self.data.train;
        self.feed.prepare(self.executor, data, order, first, self.step, steps)?;
        if self.traced.wants(self.step) {
            for _ in 0..steps {
                self.traced.profiles.push(self.executor.profile(self.id)?);
            }
        } else {
            self.executor.run(self.id, steps)?;
        }
        self.step += u64::from(steps);
        Ok(())
    }

    fn epoch(
        &mut self,
        epoch: u32,
        observer: &mut dyn Observer,
    ) -> Result<EpochResult, TrainError> {
        let started = Instant::now();
        let first = self.step;
        let steps = self.feed.steps_per_epoch() as u64;
        let order = self.feed.epoch_order(self.recipe.seed, epoch, self.recipe.shuffle);
        self.feed.start_epoch(self.executor, &order)?;
        self.executor.write("train/correct", 0, &[0; 8])?;
        let mut look = Look::new(started);
        while self.step < first + steps {
            let left = u32::try_from(first + steps - self.step).unwrap_or(u32::MAX);
            let now = left.min(self.steps_per_submission).min(self.feed.longest_run(self.step));
            let before = Instant::now();
            self.submit(&order, first, now)?;
            self.adapt(before.elapsed(), now);
            if let Some(seen) = look.at(self.executor, self.step - first)? {
                let images = seen.steps * self.feed.batch() as u64;
                #[expect(clippy::cast_precision_loss, reason = "counts, far below 2^53")]
                let images_per_second = images as f64 / started.elapsed().as_secs_f64();
                observer.progress(&Progress {
                    epoch,
                    step_in_epoch: seen.steps,
                    steps_per_epoch: steps,
                    loss: seen.loss,
                    accuracy: seen.accuracy,
                    images_per_second,
                });
            }
        }
        look.finish()?;
        self.executor.wait()?;
        let train_time = started.elapsed();
        let step_losses = self.step_losses(first)?;
        // A step whose loss was beyond f16 has changed no weight; the next one is scaled less.
        let skips = if self.scales_loss() { step_losses.len().saturating_sub(1) } else { 0 };
        if let Some(bad) = step_losses[skips..].iter().find(|step| !step.loss.is_finite()) {
            return Err(TrainError::NotFinite { step: bad.step, loss: bad.loss });
        }
        self.result(epoch, train_time, step_losses)
    }

    fn result(
        &mut self,
        epoch: u32,
        train_time: Duration,
        step_losses: Vec<StepLoss>,
    ) -> Result<EpochResult, TrainError> {
        let counts: Vec<u32> =
            bytemuck::pod_collect_to_vec(&self.executor.read_now("train/correct")?);
        let losses: Vec<f32> =
            step_losses.iter().map(|s| s.loss).filter(|loss| loss.is_finite()).collect();
        #[expect(clippy::cast_precision_loss, reason = "a step count, far below 2^53")]
        let mean =
            losses.iter().map(|&loss| f64::from(loss)).sum::<f64>() / losses.len().max(1) as f64;
        let loss_scale = self.loss_scale()?;
        let train = Metrics { loss: mean, ..metrics(0.0, counts[0], counts[1]) };
        let test = self.test.run(self.executor, &self.data.test)?;
        let validation = match (&self.validation, &self.data.validation) {
            (Some(evaluator), Some(set)) => Some(evaluator.run(self.executor, set)?),
            _ => None,
        };
        let score = validation.map_or(test.accuracy, |metrics| metrics.accuracy);
        let best = self.best.is_none_or(|best| score > best);
        if best {
            self.best = Some(score);
        }
        #[expect(clippy::cast_precision_loss, reason = "an image count, far below 2^53")]
        let images = self.feed.examples_per_epoch() as f64;
        Ok(EpochResult {
            epoch,
            steps: self.step,
            train,
            validation,
            test,
            train_time,
            images_per_second: images / train_time.as_secs_f64(),
            best,
            step_losses,
            loss_scale,
        })
    }

    fn step_losses(&mut self, first: u64) -> Result<Vec<StepLoss>, TrainError> {
        let losses: Vec<f32> = self.losses()?;
        let rates: Vec<f32> = bytemuck::pod_collect_to_vec(&self.executor.read_now(RATE_LOG)?);
        let steps = losses.into_iter().zip(rates).zip(first..);
        Ok(steps
            .map(|((loss, learning_rate), step)| StepLoss { step, loss, learning_rate })
            .collect())
    }

    /// Chooses the number of steps per submission from how long the last one kept the host waiting:
    /// with a few submissions in flight, that is how long the device takes for one.
    fn adapt(&mut self, waited: Duration, steps: u32) {
        if steps < self.steps_per_submission {
            return;
        }
        if waited > SUBMISSION && self.steps_per_submission > 1 {
            self.steps_per_submission /= 2;
        } else if waited < SUBMISSION / 4 && self.step > 8 {
            self.steps_per_submission = (self.steps_per_submission * 2).min(MAX_STEPS);
        }
    }
}
