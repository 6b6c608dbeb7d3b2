//! The training loop: many steps per submission, metrics read without waiting, hooks asked between
//! submissions and after each epoch.

use std::time::{Duration, Instant};

use super::epoch_result::{EpochResult, Progress, StepLoss};
use super::hook::{EpochDone, Hook, StepsDone};
use super::look::{Look, Seen};
use super::observer::Observer;
use super::position::{Best, BestEpoch, BestMark};
use super::stop::{Flow, Stop, StopReason};
use crate::tensor::HostTensor;
use crate::train::step::metrics::{Metrics, metrics};
use crate::train::step::names::RATE_LOG;
use crate::train::step::pass::Pass;
use crate::train::store::records::histograms::HistogramRecord;
use crate::train::{RunError, TrainError, Trainer};

/// How long one submission should keep the device busy: short enough for a smooth progress bar and
/// for the watchdogs of desktop drivers, long enough to hide the host.
const SUBMISSION: Duration = Duration::from_millis(100);
/// Most steps of one submission.
const MAX_STEPS: u32 = 64;

/// An epoch that was entered.
pub(super) struct UnderWay {
    /// Step at which it began.
    first: u64,
    /// Its examples.
    pub(super) pass: Pass,
}

impl Trainer<'_> {
    /// Has a hook watch the run from now on.
    pub fn add_hook(&mut self, hook: Box<dyn Hook>) {
        self.hooks.push(hook);
    }

    /// The best epoch so far.
    pub fn best(&self) -> Option<BestEpoch<'_>> {
        let Best { mark, weights } = self.best.as_ref()?;
        Some(BestEpoch { epoch: mark.epoch, test_accuracy: mark.test_accuracy, weights })
    }

    /// Trains for the epochs of the recipe that are left, or until a hook ends the run; tells why
    /// it ended.
    ///
    /// # Errors
    /// When the device fails, the loss is no number any more, or the observer ends the run.
    pub fn run(&mut self, observer: &mut dyn Observer) -> Result<Stop, RunError> {
        self.session = Instant::now();
        let mut flow = self.ended.take().map_or(Flow::Continue, Flow::Stop);
        while flow == Flow::Continue && self.position.epoch <= self.recipe.epochs {
            flow = self.epoch(observer)?;
        }
        let mut stop = match flow {
            Flow::Stop(stop) => stop,
            Flow::Continue => Stop::because(StopReason::Completed),
        };
        let restores = self.recipe.early_stopping.as_ref().is_some_and(|rule| rule.restore_best);
        stop.restore_best |= restores && stop.reason != StopReason::Interrupted;
        if stop.restore_best
            && let Some(best) = self.best.take()
        {
            self.set_weights(&best.weights)?;
            self.best = Some(best);
        }
        Ok(stop)
    }

    /// Trains and evaluates what is left of the epoch that is under way.
    fn epoch(&mut self, observer: &mut dyn Observer) -> Result<Flow, RunError> {
        let mut under_way = self.enter_epoch()?;
        let mut flow = self.train_epoch(&mut under_way, observer)?;
        let whole = self.step == self.end_of(&under_way);
        if let Flow::Stop(stop) = &flow
            && (stop.reason == StopReason::Interrupted || !whole)
        {
            // Before the evaluation, which may take long, and is no part of a run that goes on.
            self.save(Some(stop), observer)?;
            if stop.reason == StopReason::Interrupted {
                return Ok(flow);
            }
        }
        observer.evaluating();
        let mut result = self.result(&under_way)?;
        let weights = self.weights()?;
        self.keep_best(&mut result, &weights);
        if whole {
            flow = self.leave_epoch(&result, flow)?;
            self.records.push(result.record());
        }
        observer.epoch(&result, &weights)?;
        match &flow {
            Flow::Stop(stop) if whole => self.save(Some(stop), observer)?,
            Flow::Continue if self.is_due() => self.save(None, observer)?,
            _ => {}
        }
        Ok(flow)
    }

    /// Asks the hooks about a whole epoch, and moves on to the next one.
    fn leave_epoch(&mut self, result: &EpochResult, flow: Flow) -> Result<Flow, TrainError> {
        self.position.epoch += 1;
        self.position.first = None;
        self.position.epoch_time = Duration::ZERO;
        let done = EpochDone { result, run_time: self.run_time() };
        let mut flow = flow;
        for hook in &mut self.hooks {
            flow = first_stop(flow, hook.after_epoch(&done, self.executor)?);
        }
        let ended = !matches!(
            &flow,
            Flow::Continue | Flow::Stop(Stop { reason: StopReason::Interrupted, .. })
        );
        if self.position.epoch > self.recipe.epochs && !ended {
            // Nothing is left to interrupt.
            flow = Flow::Stop(Stop::because(StopReason::Completed));
        }
        Ok(flow)
    }

    /// Brings the order of the epoch's examples to the device.
    pub(super) fn enter_epoch(&mut self) -> Result<UnderWay, TrainError> {
        let epoch = self.position.epoch;
        let order = self.order_of(epoch);
        let first = match self.position.first {
            Some(first) => first,
            None => {
                self.executor.write("train/correct", 0, &[0; 8])?;
                self.step
            }
        };
        self.position.first = Some(first);
        let crops = self.recipe.crops(epoch);
        let pass = self.feed.start_pass(self.executor, order, first, crops)?;
        Ok(UnderWay { first, pass })
    }

    /// The step after the last one of an epoch.
    fn end_of(&self, epoch: &UnderWay) -> u64 {
        epoch.first + self.feed.steps_per_epoch() as u64
    }

    /// Runs the epoch's steps that are left, until a hook ends the run.
    fn train_epoch(
        &mut self,
        under_way: &mut UnderWay,
        observer: &mut dyn Observer,
    ) -> Result<Flow, RunError> {
        let (started, entered) = (Instant::now(), self.step);
        let before = self.position.epoch_time;
        let (first, end) = (under_way.first, self.end_of(under_way));
        let mut look = Look::new(started);
        let mut flow = Flow::Continue;
        if entered > first {
            // Steps of an earlier session may be all that a hook allows.
            flow = self.ask_hooks(first, None)?;
        }
        while self.step < end && flow == Flow::Continue {
            let now = self.next_submission(end);
            let submitted = Instant::now();
            self.submit(under_way, now)?;
            self.adapt(submitted.elapsed(), now);
            self.tell_first_step()?;
            let seen = look.at(self.executor, self.step - first)?;
            if let Some(seen) = &seen {
                let images =
                    (first + seen.steps).saturating_sub(entered) * self.feed.batch() as u64;
                observer.progress(&self.progress(first, seen, images, started.elapsed()));
            }
            flow = self.ask_hooks(first, seen.as_ref())?;
            if flow == Flow::Continue && self.step < end && self.is_due() {
                look.finish()?;
                self.position.epoch_time = before + started.elapsed();
                self.save(None, observer)?;
            }
        }
        look.finish()?;
        self.executor.wait().map_err(TrainError::from)?;
        let (reads, late) = under_way.pass.late();
        if reads > 0 {
            log::info!(
                "epoch {}: {late} of {reads} submissions waited for pictures, {:.1} of {:.1} s; at most \
                 {} pictures were read ahead",
                self.position.epoch,
                under_way.pass.waited().as_secs_f64(),
                started.elapsed().as_secs_f64(),
                under_way.pass.most_alive()
            );
        }
        self.position.epoch_time = before + started.elapsed();
        Ok(flow)
    }

    /// Steps of the next submission: no more than the epoch has left, the device holds data for, or
    /// a hook allows.
    fn next_submission(&self, end: u64) -> u32 {
        let allowed = self.hooks.iter().map(|hook| hook.most_steps(self.step).max(1)).min();
        let until_saved = self.checkpoints.map_or(u64::MAX, |every| every.steps_until(self.step));
        let left = (end - self.step).min(allowed.unwrap_or(u64::MAX)).min(until_saved);
        let left = u32::try_from(left).unwrap_or(u32::MAX);
        left.min(self.steps_per_submission).min(self.feed.longest_run(self.step))
    }

    /// Tells in the log when the first step of the session is done; only for that is it waited for.
    fn tell_first_step(&mut self) -> Result<(), TrainError> {
        if self.told_first_step || !log::log_enabled!(log::Level::Info) {
            return Ok(());
        }
        self.told_first_step = true;
        self.executor.wait()?;
        let time = 1e3 * self.session.elapsed().as_secs_f64();
        log::info!("first step done, {time:.1} ms after the loop began");
        Ok(())
    }

    fn ask_hooks(&mut self, first: u64, seen: Option<&Seen>) -> Result<Flow, TrainError> {
        let done = StepsDone {
            epoch: self.position.epoch,
            step: self.step,
            step_in_epoch: self.step - first,
            steps_per_epoch: self.feed.steps_per_epoch() as u64,
            run_time: self.run_time(),
            losses: seen.map_or(&[], |seen| &seen.losses),
        };
        let mut flow = Flow::Continue;
        for hook in &mut self.hooks {
            flow = first_stop(flow, hook.after_steps(&done, self.executor)?);
        }
        Ok(flow)
    }

    fn progress(&self, first: u64, seen: &Seen, images: u64, time: Duration) -> Progress {
        #[expect(clippy::cast_precision_loss, reason = "counts, far below 2^53")]
        let images = images as f64;
        Progress {
            epoch: self.position.epoch,
            step: first + seen.steps,
            step_in_epoch: seen.steps,
            steps_per_epoch: self.feed.steps_per_epoch() as u64,
            loss: seen.loss,
            accuracy: seen.accuracy,
            images_per_second: images / time.as_secs_f64(),
            run_time: self.run_time(),
        }
    }

    /// Time that the run has taken so far, all its sessions together.
    pub fn run_time(&self) -> Duration {
        self.position.run_time + self.session.elapsed()
    }

    fn submit(&mut self, epoch: &mut UnderWay, steps: u32) -> Result<(), TrainError> {
        let (data, pass) = (&self.data.train, &mut epoch.pass);
        self.feed.prepare(self.executor, data, pass, self.step, steps)?;
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

    /// Evaluates, and sums up the epoch's steps that were run.
    fn result(&mut self, under_way: &UnderWay) -> Result<EpochResult, TrainError> {
        let step_losses = self.step_losses(under_way.first)?;
        // A step whose loss was beyond f16 has changed no weight; the next one is scaled less.
        let skips = if self.scales_loss() { step_losses.len().saturating_sub(1) } else { 0 };
        if let Some(bad) = step_losses[skips..].iter().find(|step| !step.loss.is_finite()) {
            let advice = self.recipe.advice_if_diverged();
            return Err(TrainError::NotFinite { step: bad.step + 1, loss: bad.loss, advice });
        }
        let counts: Vec<u32> =
            bytemuck::pod_collect_to_vec(&self.executor.read_now("train/correct")?);
        let losses: Vec<f32> =
            step_losses.iter().map(|s| s.loss).filter(|loss| loss.is_finite()).collect();
        #[expect(clippy::cast_precision_loss, reason = "a step count, far below 2^53")]
        let mean =
            losses.iter().map(|&loss| f64::from(loss)).sum::<f64>() / losses.len().max(1) as f64;
        let loss_scale = self.loss_scale()?;
        let counted = metrics(0.0, counts[0], counts[1]).of_model(self.model.classifies());
        let train = Metrics { loss: mean, ..counted };
        let test = self.test.run(self.executor, &self.data.test)?;
        let validation = match (&self.validation, &self.data.validation) {
            (Some(evaluator), Some(set)) => Some(evaluator.run(self.executor, set)?),
            _ => None,
        };
        let images = step_losses.len().saturating_mul(self.feed.batch());
        #[expect(clippy::cast_precision_loss, reason = "an image count, far below 2^53")]
        let images = images.min(self.feed.examples_per_epoch()) as f64;
        let train_time = self.position.epoch_time;
        let histograms = self.histograms(self.end_of(under_way))?;
        Ok(EpochResult {
            epoch: self.position.epoch,
            steps: self.step,
            train,
            validation,
            test,
            train_time,
            images_per_second: images / train_time.as_secs_f64(),
            best: false,
            step_losses,
            loss_scale,
            histograms,
        })
    }

    /// How weights and gradients were distributed in the last step of the epoch that ends at step
    /// `end`: nothing where the recipe does not ask, or the epoch was not completed.
    fn histograms(&mut self, end: u64) -> Result<Vec<HistogramRecord>, TrainError> {
        let epoch = self.position.epoch;
        match self.recipe.histograms {
            Some(histograms) if self.step == end && histograms.counts_in(epoch) => {
                histograms.read(self.executor, &self.model, (epoch, self.step))
            }
            _ => Ok(Vec::new()),
        }
    }

    /// Keeps the weights if the epoch is the best one so far.
    fn keep_best(&mut self, result: &mut EpochResult, weights: &[(String, HostTensor)]) {
        let (monitor, min_delta) = self.recipe.best_by();
        let score = monitor.value(result).unwrap_or(result.test.accuracy);
        let best = self.best.as_ref().map(|best| best.mark.score);
        result.best = best.is_none() || monitor.improves(score, best, min_delta);
        if result.best {
            let test_accuracy = result.test.accuracy;
            let mark = BestMark { epoch: result.epoch, score, test_accuracy };
            self.best = Some(Best { mark, weights: weights.to_vec() });
        }
    }

    /// Losses of the epoch that is under way, as far as its steps were submitted.
    ///
    /// # Errors
    /// When the device fails.
    pub fn steps_of_epoch(&mut self) -> Result<Vec<StepLoss>, TrainError> {
        self.step_losses(self.position.first.unwrap_or(self.step))
    }

    /// Losses of the steps since `first`, the step at which the epoch began.
    fn step_losses(&mut self, first: u64) -> Result<Vec<StepLoss>, TrainError> {
        let losses: Vec<f32> = self.losses()?;
        let rates: Vec<f32> = bytemuck::pod_collect_to_vec(&self.executor.read_now(RATE_LOG)?);
        let steps = losses.into_iter().zip(rates).zip(first..self.step);
        Ok(steps
            .map(|((loss, learning_rate), step)| StepLoss { step, loss, learning_rate })
            .collect())
    }

    /// Chooses the number of steps per submission from how long the last one kept the host waiting:
    /// with a few submissions in flight, that is how long the device takes for one.
    pub(in crate::train) fn adapt(&mut self, waited: Duration, steps: u32) {
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

/// The first hook that ends a run decides how.
fn first_stop(so_far: Flow, asked: Flow) -> Flow {
    if so_far == Flow::Continue { asked } else { so_far }
}
