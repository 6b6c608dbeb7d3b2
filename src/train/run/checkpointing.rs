//! Taking a checkpoint of a run, and going on from one.

use std::collections::BTreeMap;

use super::checkpoint::contents::{Checkpoint, RunState};
use super::observer::Observer;
use super::position::Best;
use super::stop::{Stop, StopReason};
use crate::compile::{Picks, Role};
use crate::train::recipe::checkpoint::CheckpointEvery;
use crate::train::step::names::STEP;
use crate::train::store::records::csv;
use crate::train::store::records::metrics::EpochRecord;
use crate::train::{RunError, TrainError, Trainer};

impl Trainer<'_> {
    /// Gives the observer checkpoints of the run from now on.
    ///
    /// # Errors
    /// When the device fails.
    pub fn make_checkpoints(&mut self, every: CheckpointEvery) -> Result<(), TrainError> {
        self.checkpoints = Some(every);
        // Reads once what a checkpoint reads, so that the buffers for it exist.
        for name in self.state_names() {
            self.executor.read_now(&name)?;
        }
        Ok(())
    }

    /// The variant of each kernel of the run's programs, which of them run without checks, and the
    /// model of the device that their choice and their shares of sums depend on.
    pub fn kernels(&self) -> Picks {
        let device = self.executor.info();
        let mut kernels = Picks::new(&device.name, &device.driver);
        kernels.model = self.executor.caps().gpu_model();
        kernels.checks = self.executor.picks().checks;
        kernels.audits = self.executor.audit_counts();
        for program in self.programs() {
            kernels.merge(Picks::of_program(&device.name, &device.driver, program));
        }
        kernels
    }

    /// How often the run was started or resumed.
    pub fn sessions(&self) -> u32 {
        self.sessions
    }

    /// A checkpoint of the run as it stands; `stop` says how it ended, if it did.
    ///
    /// # Errors
    /// When the device fails.
    pub fn checkpoint(&mut self, stop: Option<Stop>) -> Result<Checkpoint, TrainError> {
        let kernels = self.kernels().to_toml().map_err(|error| TrainError::Checkpoint {
            message: format!("the variants of its kernels have no TOML form: {error}"),
        })?;
        let mut device = BTreeMap::new();
        for name in self.state_names() {
            let bytes = self.executor.read_now(&name)?;
            device.insert(name, bytes);
        }
        let best = self.best.as_ref();
        let weights = best.map_or(&[][..], |best| &best.weights);
        let mut position = self.position;
        position.run_time = self.run_time();
        let state = RunState {
            verigrad: env!("CARGO_PKG_VERSION").to_owned(),
            device: self.executor.info().clone(),
            recipe: self.recipe.to_toml()?,
            kernels,
            data: self.data_mark.clone(),
            step: self.step,
            sessions: self.sessions,
            stop,
            position,
            best: best.map(|best| best.mark),
            hooks: self.hooks.iter().map(|hook| (hook.name().to_owned(), hook.state())).collect(),
            best_order: weights.iter().map(|(name, _)| name.clone()).collect(),
            metrics: csv::header::<EpochRecord>() + &csv::lines(&self.records),
        };
        Ok(Checkpoint { state, device, best: weights.to_vec() })
    }

    /// Goes on from a checkpoint: the next [`Trainer::run`] continues the run that it was taken of.
    ///
    /// # Errors
    /// When the recipe, the data or this version of verigrad make another model of it, or the
    /// device fails.
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), TrainError> {
        let state = &checkpoint.state;
        let fail = |message: String| Err(TrainError::Checkpoint { message });
        if let Some(what) = state.data.difference(&self.data_mark) {
            return fail(format!(
                "the data set has changed: {what}; bring it back, or start a new run"
            ));
        }
        let steps_per_epoch = self.feed.steps_per_epoch() as u64;
        if let Some(what) = state.impossible().or(state.impossible_with(steps_per_epoch)) {
            return fail(format!("{what}; it was not written by a run: start a new one"));
        }
        let counted = checkpoint.device.get(STEP).map(Vec::as_slice);
        if u32::try_from(state.step).ok().map(u32::to_le_bytes).as_ref().map(|s| &s[..]) != counted
        {
            return fail(format!(
                "it counts {} steps, and its device another number; start a new run",
                state.step
            ));
        }
        let names = self.state_names();
        let unknown = checkpoint.device.keys().find(|&name| !names.contains(name));
        if let Some(name) = unknown {
            return fail(format!("this version of verigrad makes no state {name} for its recipe"));
        }
        for name in &names {
            let Some(bytes) = checkpoint.device.get(name) else {
                return fail(format!("it lacks the state {name} of its recipe"));
            };
            let size = self.program().buffers.iter().find(|b| b.name == *name).map(|b| b.bytes);
            if size != Some(bytes.len()) {
                return fail(format!("its state {name} has {} bytes, not {size:?}", bytes.len()));
            }
            self.executor.write(name, 0, bytes)?;
        }
        self.step = state.step;
        self.position = state.position;
        self.records = state.epochs().unwrap_or_default();
        self.sessions = state.sessions.saturating_add(1);
        // Between epochs nothing but the hooks, which are asked after the next steps, would end the
        // run again; within one the loop asks them at once.
        let ended = state.stop.clone().filter(|_| state.position.first.is_none());
        self.ended = ended
            .filter(|stop| matches!(stop.reason, StopReason::Budget(_) | StopReason::Early(_)));
        self.best = state.best.map(|mark| Best { mark, weights: checkpoint.best.clone() });
        for hook in &mut self.hooks {
            if let Some(kept) = state.hooks.get(hook.name()) {
                hook.restore(kept)?;
            }
        }
        Ok(())
    }

    /// Whether the recipe wants a checkpoint now.
    pub(in crate::train) fn is_due(&self) -> bool {
        let epoch_end = self.position.first.is_none();
        self.checkpoints.is_some_and(|every| every.is_due(self.step, epoch_end))
    }

    /// Hands a checkpoint to the observer, where checkpoints are made at all; `stop` says how the
    /// run ended, if it did.
    pub(in crate::train) fn save(
        &mut self,
        stop: Option<&Stop>,
        observer: &mut dyn Observer,
    ) -> Result<(), RunError> {
        if self.checkpoints.is_some() {
            let checkpoint = self.checkpoint(stop.cloned())?;
            observer.checkpoint(&checkpoint)?;
        }
        Ok(())
    }

    /// The states of the training program, but for the data set.
    pub(super) fn state_names(&self) -> Vec<String> {
        let states = self.program().buffers.iter().filter(|buffer| buffer.role == Role::State);
        let names = states.map(|buffer| buffer.name.clone());
        names.filter(|name| !self.feed.holds(name)).collect()
    }
}
