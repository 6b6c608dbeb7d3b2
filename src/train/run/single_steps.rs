//! A trainer step by step: for benchmarks, traces and tests.

use std::time::Instant;

use super::measured::{SetupTimes, Traced};
use crate::exec::RunProfile;
use crate::train::{TrainError, Trainer};

impl Trainer<'_> {
    /// Trains for `steps` steps of the first epoch and waits: for benchmarks and tests.
    ///
    /// # Errors
    /// When the device fails.
    pub fn run_steps(&mut self, steps: u32) -> Result<(), TrainError> {
        let mut left = steps;
        while left > 0 {
            let now = self.make_ready(left)?;
            let submitted = Instant::now();
            self.executor.run(self.id, now)?;
            self.step += u64::from(now);
            self.adapt(submitted.elapsed(), now);
            left -= now;
        }
        self.executor.wait()?;
        Ok(())
    }

    /// As [`Self::run_steps`] for one step, timed dispatch by dispatch.
    ///
    /// # Errors
    /// When the device fails.
    pub fn profile_step(&mut self) -> Result<RunProfile, TrainError> {
        self.make_ready(1)?;
        let profile = self.executor.profile(self.id)?;
        self.step += 1;
        Ok(profile)
    }

    /// Brings the data of the next steps, at most `most`, to the device; returns their number.
    fn make_ready(&mut self, most: u32) -> Result<u32, TrainError> {
        let per_epoch = self.feed.steps_per_epoch() as u64;
        let first = self.step / per_epoch * per_epoch;
        let in_epoch = u32::try_from(per_epoch - (self.step - first)).unwrap_or(u32::MAX);
        let mut pass = match self.pass.take().filter(|pass| pass.first() == first) {
            Some(pass) => pass,
            None => {
                let order = self.order_of(0);
                self.feed.start_pass(self.executor, order, first, self.recipe.crops(0))?
            }
        };
        let most = most.min(in_epoch).min(self.steps_per_submission);
        let steps = most.min(self.feed.longest_run(self.step));
        self.feed.prepare(self.executor, &self.data.train, &mut pass, self.step, steps)?;
        self.pass = Some(pass);
        Ok(steps)
    }

    /// Times about `steps` steps of the coming run dispatch by dispatch, from step `first` on; see
    /// [`Self::profiles`]. What the run computes stays the same.
    pub fn trace(&mut self, first: u64, steps: usize) {
        self.traced = Traced::new(first, steps);
    }

    /// Times of the steps that [`Self::trace`] asked for.
    pub fn profiles(&self) -> &[RunProfile] {
        &self.traced.profiles
    }

    /// Where the time before the first step went.
    pub fn setup(&self) -> SetupTimes {
        self.setup
    }

    /// Seconds that the host has spent so far in encoding and submitting runs.
    pub fn host_seconds(&self) -> f64 {
        self.executor.host_seconds()
    }
}
