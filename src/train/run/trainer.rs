//! A model in training on one device: its programs, memory, data and weights. The loop itself is in
//! `training_loop.rs`.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::callbacks;
use super::checkpoint::contents::DataMark;
use super::hook::Hook;
use super::look::Look;
use super::measured::{SetupTimes, Traced};
use super::position::{Best, Position};
use super::stop::Stop;
use crate::compile::{Program, Role};
use crate::data::{Damaged, Dataset, Splits};
use crate::exec::{DeviceInfo, Executor, ProgramId};
use crate::tensor::HostTensor;
use crate::train::evaluate::evaluator::Evaluator;
use crate::train::recipe::checkpoint::CheckpointEvery;
use crate::train::recipe::optimizer::{LEARNED_RATE, PREVIOUS};
use crate::train::recipe::sampler::Sampler;
use crate::train::step::feed::Feed;
use crate::train::step::loss_scaling::{self, LossScale};
use crate::train::step::memory_plan::MemoryPlan;
use crate::train::step::model::ModelPrograms;
use crate::train::step::names::{AVERAGE, LOSS_LOG, RATE_FACTOR, RUNNING_STATISTICS, STEP};
use crate::train::step::pass::Pass;
use crate::train::step::pending_weights::PendingWeights;
use crate::train::step::programs::{FedProgram, RunPrograms, planned_bytes};
use crate::train::store::records::metrics::EpochRecord;
use crate::train::{Recipe, TrainError};

/// A model in training on one device.
pub struct Trainer<'a> {
    pub(in crate::train) executor: &'a mut dyn Executor,
    pub(in crate::train) recipe: Recipe,
    pub(in crate::train) data: Arc<Splits>,
    /// What tells the data from others.
    pub(in crate::train) data_mark: DataMark,
    pub(in crate::train) model: ModelPrograms,
    pub(in crate::train) feed: Feed,
    pub(super) program: Arc<Program>,
    pub(in crate::train) id: ProgramId,
    pub(in crate::train) validation: Option<Evaluator>,
    pub(in crate::train) test: Evaluator,
    /// The evaluation of the training set, which is loaded after the training.
    pub(in crate::train) train_evaluation: FedProgram,
    pub(in crate::train) step: u64,
    pub(in crate::train) steps_per_submission: u32,
    pub(in crate::train) hooks: Vec<Box<dyn Hook>>,
    pub(in crate::train) position: Position,
    pub(in crate::train) best: Option<Best>,
    /// What each epoch achieved so far.
    pub(in crate::train) records: Vec<EpochRecord>,
    /// When checkpoints are made, if they are.
    pub(in crate::train) checkpoints: Option<CheckpointEvery>,
    /// How the run ended before this session, if nothing is left to do.
    pub(in crate::train) ended: Option<Stop>,
    /// How often the run was started or resumed.
    pub(in crate::train) sessions: u32,
    /// When this session of the run began.
    pub(in crate::train) session: Instant,
    /// Whether the log was told of the first step.
    pub(in crate::train) told_first_step: bool,
    pub(in crate::train) setup: SetupTimes,
    memory_plan: MemoryPlan,
    pub(in crate::train) traced: Traced,
    /// Examples of [`Self::run_steps`], once it was asked for.
    pub(in crate::train) pass: Option<Pass>,
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
        let programs = RunPrograms::compile(recipe, &data, executor.caps(), executor.picks())?;
        Self::with_programs(executor, programs, data.into())
    }

    /// As [`Self::new`] with programs that were compiled already, for this device and these data.
    ///
    /// # Errors
    /// When the device fails.
    pub fn with_programs(
        executor: &'a mut dyn Executor,
        programs: RunPrograms,
        mut data: Arc<Splits>,
    ) -> Result<Self, TrainError> {
        let mut clock = Instant::now();
        let mut lap = || {
            let lap = clock.elapsed();
            clock = Instant::now();
            lap
        };
        let compile = programs.compile_time();
        let memory_plan = programs.memory(&data, executor.caps());
        let planned = memory_plan.tensors;
        let RunPrograms { recipe, model, training, test, validation, train_evaluation, .. } =
            programs;
        let FedProgram { feed, program } = training;
        // As long as the host has all pixels, and beside the compilation of kernels.
        let marked = data.clone();
        let mark = thread::spawn(move || DataMark::of(&marked));
        let id = executor.load(program.clone()).map_err(|error| error.in_plan(planned))?;
        let data_mark = mark.join().unwrap_or_else(|_| DataMark::of(&data));
        let load = lap();
        feed.upload(executor, &data.train)?;
        model.upload_statistics(executor)?;
        let setup = SetupTimes { compile, load, upload: lap(), rest: Duration::ZERO };
        let test = Evaluator::load(executor, &model, &data.test, test)?;
        let validation = match data.validation.as_ref().zip(validation) {
            Some((set, program)) => Some(Evaluator::load(executor, &model, set, program)?),
            None => None,
        };
        if feed.is_resident()
            && let Some(data) = Arc::get_mut(&mut data)
        {
            // The device has them: training never looks at the host's copy again.
            data.train.images = Vec::new();
        }
        let mut trainer = Self {
            executor,
            hooks: callbacks::of_recipe(&recipe),
            recipe,
            data,
            data_mark,
            model,
            feed,
            program,
            id,
            validation,
            test,
            train_evaluation,
            step: 0,
            steps_per_submission: 1,
            position: Position::START,
            best: None,
            records: Vec::new(),
            checkpoints: None,
            ended: None,
            sessions: 1,
            session: Instant::now(),
            told_first_step: false,
            setup,
            memory_plan,
            traced: Traced::default(),
            pass: None,
        };
        trainer.write_initial_weights()?;
        trainer.prime_reads()?;
        trainer.setup.rest = lap();
        let SetupTimes { compile, load, upload, rest } = trainer.setup;
        log::info!(
            "set up: {} bytes on the device; compiled in {compile:.1?}, loaded in {load:.1?}, data \
             uploaded in {upload:.1?}, evaluations and weights in {rest:.1?}",
            trainer.tensor_bytes()
        );
        Ok(trainer)
    }

    /// The model.
    pub fn model(&self) -> &ModelPrograms {
        &self.model
    }

    /// The device.
    pub fn device(&self) -> &DeviceInfo {
        self.executor.info()
    }

    /// The program of one training step.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The programs that training uses: the step, and evaluation of test and validation set.
    pub fn programs(&self) -> impl Iterator<Item = &Program> {
        let evaluators = [Some(&self.test), self.validation.as_ref()];
        std::iter::once(self.program())
            .chain(evaluators.into_iter().flatten().map(Evaluator::program))
    }

    /// Device memory in bytes: parameters and optimizer state, data sets, and everything else that
    /// the programs use. Nothing is allocated later.
    pub fn planned_bytes(&self) -> usize {
        planned_bytes(self.programs())
    }

    /// What the run takes at its largest, its last evaluations among it.
    pub fn memory_plan(&self) -> &MemoryPlan {
        &self.memory_plan
    }

    /// Part of [`Self::planned_bytes`] that the training program's states take: parameters,
    /// optimizer state and the training set.
    pub fn state_bytes(&self) -> usize {
        self.program.bytes_of(Role::State)
    }

    /// Pictures that turned out to be damaged while they were read, so that others took their places.
    pub fn found_damaged(&self) -> Vec<Damaged> {
        let Splits { train, validation, test, .. } = self.data.as_ref();
        let sets = [("training", Some(train)), ("validation", validation.as_ref())];
        let sets = sets.into_iter().chain([("test", Some(test))]);
        sets.filter_map(|(split, set)| Some(set?.found_damaged(split))).flatten().collect()
    }

    /// The set that evaluates the run.
    pub fn test_set(&self) -> &Dataset {
        &self.data.test
    }

    /// Steps completed or submitted.
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// Whole epochs that are done.
    pub fn epochs_done(&self) -> u32 {
        self.position.epoch.saturating_sub(1)
    }

    /// Steps of an epoch.
    pub fn steps_per_epoch(&self) -> usize {
        self.feed.steps_per_epoch()
    }

    /// The examples of an epoch in their order.
    pub(in crate::train) fn order_of(&self, epoch: u32) -> Vec<u32> {
        let Recipe { seed, shuffle, sampler, .. } = self.recipe;
        match sampler {
            Sampler::Plain => self.feed.epoch_order(seed, epoch, shuffle),
            Sampler::Balanced => self.feed.balanced_order(seed, epoch, &self.data.train.labels),
        }
    }

    /// Device buffers allocated so far.
    pub fn allocations(&self) -> usize {
        self.executor.allocations()
    }

    /// Bytes of the device buffers that hold tensors: what [`Self::planned_bytes`] said.
    pub fn tensor_bytes(&self) -> usize {
        self.executor.tensor_bytes()
    }

    /// Replaces the weights, and what is kept of earlier ones.
    ///
    /// # Errors
    /// When they do not fit the model.
    pub fn set_weights(&mut self, weights: &[(String, HostTensor)]) -> Result<(), TrainError> {
        let weights = weights.iter().cloned().collect();
        let weights = PendingWeights::check(&self.model, &weights)?;
        weights.write(self.executor)?;
        let averages = self.recipe.ema.is_some().then_some(AVERAGE);
        let learns = self.recipe.optimizer.hypergradient() > 0.0;
        for copy in averages.into_iter().chain(learns.then_some(PREVIOUS)) {
            self.executor.write(copy, 0, bytemuck::cast_slice(weights.parameters()))?;
        }
        Ok(())
    }

    /// The weights: parameters in the order of the layers, or their moving average where the recipe
    /// asks for one; then running statistics.
    ///
    /// # Errors
    /// When the device fails.
    pub fn weights(&mut self) -> Result<Vec<(String, HostTensor)>, TrainError> {
        let all: Vec<f32> =
            bytemuck::pod_collect_to_vec(&self.executor.read_now(self.model.evaluated())?);
        let mut weights = Vec::new();
        for spec in &self.model.parameters {
            let Some(entry) = self.model.arena.find(&spec.name) else { continue };
            let values = &all[entry.offset..entry.offset + spec.shape.elements()];
            weights.push((spec.name.clone(), HostTensor::from_f32(spec.shape.clone(), values)?));
        }
        if self.model.states.is_empty() {
            return Ok(weights);
        }
        let all: Vec<f32> =
            bytemuck::pod_collect_to_vec(&self.executor.read_now(RUNNING_STATISTICS)?);
        for spec in &self.model.states {
            let Some(entry) = self.model.arena.find_state(&spec.name) else { continue };
            let values = &all[entry.offset..entry.offset + spec.shape.elements()];
            weights.push((spec.name.clone(), HostTensor::from_f32(spec.shape.clone(), values)?));
        }
        Ok(weights)
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

    pub(in crate::train) fn scales_loss(&self) -> bool {
        !self.recipe.precision.is_f32()
    }

    /// Begins the run again: initial weights, all other states zero, no step done.
    ///
    /// # Errors
    /// When the device fails.
    pub fn start_over(&mut self) -> Result<(), TrainError> {
        for name in self.state_names() {
            let size = self.program().buffers.iter().find(|b| b.name == name).map(|b| b.bytes);
            self.executor.write(&name, 0, &vec![0; size.unwrap_or(0)])?;
        }
        self.step = 0;
        self.position = Position::START;
        self.best = None;
        self.records = Vec::new();
        self.ended = None;
        self.write_initial_weights()
    }

    fn write_initial_weights(&mut self) -> Result<(), TrainError> {
        let weights = self.model.initial_weights(self.recipe.seed)?;
        self.executor.write(STEP, 0, &[0; 4])?;
        if self.scales_loss() {
            loss_scaling::write_initial(self.executor)?;
        }
        if self.recipe.plateau.is_some() {
            self.executor.write(RATE_FACTOR, 0, &1_f32.to_le_bytes())?;
        }
        if self.recipe.optimizer.hypergradient() > 0.0 {
            let rate = self.recipe.optimizer.learning_rate();
            self.executor.write(LEARNED_RATE, 0, &rate.to_le_bytes())?;
        }
        self.set_weights(&weights)
    }

    /// Reads once whatever a run reads, so that the buffers for it exist before the first step.
    fn prime_reads(&mut self) -> Result<(), TrainError> {
        self.weights()?;
        self.losses()?;
        self.loss_scale()?;
        if let Some(histograms) = self.recipe.histograms {
            histograms.read(self.executor, &self.model, (0, 0))?;
        }
        let mut look = Look::new(Instant::now());
        look.ask(self.executor, 0)?;
        look.finish()?;
        self.test.prime_reads(self.executor)?;
        match &self.validation {
            Some(evaluator) => evaluator.prime_reads(self.executor),
            None => Ok(()),
        }
    }
}
