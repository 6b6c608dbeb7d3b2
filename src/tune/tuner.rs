//! Checks and times the candidates of tasks.

use std::collections::HashMap;
use std::time::Instant;

use super::candidates::{Candidate, Outcome, Spent, Task, Tuned};
use crate::bench::{BenchError, Timing, time_in_turns, time_trial};
use crate::compile::{KernelText, runnable};
use crate::exec::Executor;
use crate::graph::{Case, Lowering};
use crate::tensor::DType;
use crate::verify::{Trial, TrialRun, checked_step, kernel_texts, passes_small_cases};

/// How many times as long as the fastest candidate the first run of a hopeless one takes.
const HOPELESS: f64 = 3.0;
/// What a first run may take besides, in seconds.
const SLACK: f64 = 2e-3;
/// A run of less, in seconds, is made again before its candidate is given up.
const BRIEF: f64 = 0.05;
/// Candidates within this factor of the fastest one are timed again, in turns.
const CLOSE: f64 = 1.15;
/// Kernels that are compiled together: enough for all cores.
const BATCH: usize = 64;

/// What is known so far on one device.
#[derive(Debug, Default)]
pub(super) struct Tuner {
    /// Seconds that each kernel took to compile, by its text.
    compiled: HashMap<String, f64>,
    /// Whether a variant of an op, in 16 bits or not, passes the op's small cases.
    proved: HashMap<(&'static str, String, bool), bool>,
    /// Spent on tasks that are not done yet.
    ahead: f64,
}

/// A candidate in the course of a task.
enum State {
    Waiting,
    /// It is right, and loaded.
    Right(TrialRun),
    Done(Outcome),
}

impl Tuner {
    /// Compiles the kernels of the first tasks, as many as keep all cores busy. Software devices
    /// compile one after another: there, those of one task.
    pub fn prepare(&mut self, executor: &mut dyn Executor, tasks: &[Task]) {
        let most = if executor.info().is_software() { 1 } else { BATCH };
        let mut programs = Vec::new();
        let mut kernels = 0;
        for task in tasks {
            for lowering in runnable(task.op.as_ref(), &task.sig, executor.caps()) {
                let mut sources = lowering.kernels.iter().map(|kernel| &kernel.source);
                if sources.all(|source| self.compiled.contains_key(source)) {
                    continue;
                }
                for kernel in &lowering.kernels {
                    self.compiled.entry(kernel.source.clone()).or_default();
                }
                kernels += lowering.kernels.len();
                programs.push(checked_step(&task.op, &task.sig, &lowering));
            }
            if kernels >= most {
                break;
            }
        }
        let start = Instant::now();
        let seconds = executor.prepare(&programs);
        self.ahead += start.elapsed().as_secs_f64();
        for (program, seconds) in programs.into_iter().zip(seconds) {
            for (kernel, seconds) in program.kernels.into_iter().zip(seconds) {
                *self.compiled.entry(kernel.source).or_default() += seconds;
            }
        }
    }

    /// Whether the kernels of a task are compiled.
    pub fn is_prepared(&self, executor: &dyn Executor, task: &Task) -> bool {
        let all = runnable(task.op.as_ref(), &task.sig, executor.caps());
        let mut kernels = all.iter().flat_map(|lowering| &lowering.kernels);
        kernels.all(|kernel| self.compiled.contains_key(&kernel.source))
    }

    /// Checks and times every candidate of a task.
    ///
    /// # Errors
    /// When the device is lost, or the op rejects the shapes.
    pub fn tune(&mut self, executor: &mut dyn Executor, task: &Task) -> Result<Tuned, BenchError> {
        if !self.is_prepared(executor, task) {
            self.prepare(executor, std::slice::from_ref(task));
        }
        let all = runnable(task.op.as_ref(), &task.sig, executor.caps());
        let mut spent = Spent { compiling: std::mem::take(&mut self.ahead), ..Spent::default() };
        let outcomes = match self.outcomes(executor, task, &all, false, &mut spent)? {
            Some(outcomes) => outcomes,
            None => {
                log::warn!("{}: a variant that was trusted is wrong", task.scope);
                let outcomes = self.outcomes(executor, task, &all, true, &mut spent)?;
                outcomes.unwrap_or_default()
            }
        };
        let candidate = |(lowering, outcome): (Lowering, Outcome)| {
            let seconds = |kernel: &KernelText| self.compiled.get(&kernel.source).copied();
            let preparation = kernel_texts(&lowering).iter().filter_map(seconds).sum();
            log_outcome(task, &lowering, &outcome);
            Candidate { lowering, outcome, preparation }
        };
        let candidates = all.into_iter().zip(outcomes).map(candidate).collect();
        Ok(Tuned { task: task.clone(), candidates, spent })
    }

    /// What becomes of each candidate; none where the variant that stood for the reference turned out
    /// to be wrong.
    fn outcomes(
        &mut self,
        executor: &mut dyn Executor,
        task: &Task,
        all: &[Lowering],
        whole: bool,
        spent: &mut Spent,
    ) -> Result<Option<Vec<Outcome>>, BenchError> {
        let case = Case::of_model("tune", task.op.clone(), &task.sig.inputs);
        let start = Instant::now();
        let mut trial = Trial::new(&case, &task.sig, all, whole)?;
        spent.reference += start.elapsed().as_secs_f64();
        let start = Instant::now();
        let order =
            if trial.needs_witness() { self.witnesses(executor, task, all)? } else { Vec::new() };
        executor.unload_all();
        let mut states: Vec<State> = all.iter().map(|_| State::Waiting).collect();
        let mut trusted = None;
        for at in order {
            states[at] = checked(executor, &mut trial, &all[at], f64::INFINITY)?;
            if let State::Right(run) = &mut states[at] {
                trial.trust(executor, run)?;
                trusted = Some(at);
                break;
            }
        }
        spent.checking += start.elapsed().as_secs_f64();
        if trial.needs_witness() && trusted.is_none() {
            log::info!("{}: the whole reference is computed", task.scope);
            return self.outcomes(executor, task, all, true, spent);
        }
        let mut fastest = f64::INFINITY;
        let mut timed: Vec<(usize, TrialRun, Timing)> = Vec::new();
        for (at, lowering) in all.iter().enumerate() {
            let start = Instant::now();
            if matches!(states[at], State::Waiting) {
                states[at] = checked(executor, &mut trial, lowering, fastest)?;
            }
            spent.checking += start.elapsed().as_secs_f64();
            if trial.is_contradicted() {
                executor.unload_all();
                return Ok(None);
            }
            let run = match std::mem::replace(&mut states[at], State::Waiting) {
                State::Right(run) => run,
                other => {
                    states[at] = other;
                    continue;
                }
            };
            let start = Instant::now();
            match time_trial(executor, run.id(), run.seconds(), fastest) {
                Ok(timing) => {
                    fastest = fastest.min(timing.seconds);
                    timed.push((at, run, timing));
                }
                Err(error) => states[at] = State::Done(dropped(error.into())?),
            }
            spent.timing += start.elapsed().as_secs_f64();
        }
        let start = Instant::now();
        for (at, timing) in close_race(executor, &timed, fastest)? {
            states[at] = State::Done(Outcome::Timed(timing));
        }
        executor.unload_all();
        spent.timing += start.elapsed().as_secs_f64();
        let outcome = |state| match state {
            State::Done(outcome) => outcome,
            State::Waiting | State::Right(_) => Outcome::Dropped("was not run".to_owned()),
        };
        Ok(Some(states.into_iter().map(outcome).collect()))
    }

    /// Candidates that pass the small cases of their op, on which a trial may rely: the plainest
    /// first.
    fn witnesses(
        &mut self,
        executor: &mut dyn Executor,
        task: &Task,
        all: &[Lowering],
    ) -> Result<Vec<usize>, BenchError> {
        let half = task.sig.inputs.iter().any(|ty| ty.dtype == DType::F16);
        let plain = |at: &usize| {
            let variant = &all[*at].variant;
            !["one_per_thread", "one_per_thread_texels"].contains(&variant.as_str())
        };
        let mut order: Vec<usize> = (0..all.len()).collect();
        order.sort_by_key(plain);
        let mut found = Vec::new();
        for at in order {
            let op = task.op.name();
            let key = (op, all[at].variant.clone(), half);
            let proved = match self.proved.get(&key) {
                Some(&proved) => proved,
                None => passes_small_cases(executor, op, &all[at].variant, half)?,
            };
            self.proved.insert(key, proved);
            if proved {
                found.push(at);
            }
            if found.len() == 2 {
                break;
            }
        }
        Ok(found)
    }
}

/// Runs a candidate and checks it, unless its first run is hopelessly slow.
fn checked(
    executor: &mut dyn Executor,
    trial: &mut Trial<'_>,
    lowering: &Lowering,
    fastest: f64,
) -> Result<State, BenchError> {
    let mut run = match trial.start(executor, lowering) {
        Ok(run) => run,
        Err(error) => return Ok(State::Done(dropped(error.into())?)),
    };
    let is_hopeless = |run: &TrialRun| run.seconds() > HOPELESS * fastest + SLACK;
    // A short run may have been late for other reasons.
    if is_hopeless(&run) && run.seconds() < BRIEF {
        run.repeat(executor)?;
    }
    if is_hopeless(&run) {
        return Ok(State::Done(Outcome::Slow(run.seconds())));
    }
    match trial.finish(executor, &mut run) {
        Ok(()) => Ok(State::Right(run)),
        Err(failure) => Ok(State::Done(dropped(failure.into())?)),
    }
}

/// Why a candidate is out.
///
/// # Errors
/// When that is not its own fault.
fn dropped(error: BenchError) -> Result<Outcome, BenchError> {
    match error {
        BenchError::Exec(error) if error.ends_device() => Err(error.into()),
        error => Ok(Outcome::Dropped(error.to_string())),
    }
}

/// The timings, those of the candidates that lie close together taken again, in turns, with the best
/// guess among them.
fn close_race(
    executor: &mut dyn Executor,
    timed: &[(usize, TrialRun, Timing)],
    fastest: f64,
) -> Result<Vec<(usize, Timing)>, BenchError> {
    let is_close = |(at, _, timing): &&(usize, TrialRun, Timing)| {
        *at == 0 || timing.seconds <= CLOSE * fastest
    };
    let close: Vec<_> = timed.iter().filter(is_close).collect();
    let mut timings: Vec<(usize, Timing)> = timed.iter().map(|&(at, _, t)| (at, t)).collect();
    if close.len() > 1 {
        let programs: Vec<_> = close.iter().map(|(_, run, timing)| (run.id(), *timing)).collect();
        let again = time_in_turns(executor, &programs)?;
        for (&&(at, ..), again) in close.iter().zip(again) {
            if let Some((_, timing)) = timings.iter_mut().find(|(other, _)| *other == at) {
                *timing = again;
            }
        }
    }
    Ok(timings)
}

fn log_outcome(task: &Task, lowering: &Lowering, outcome: &Outcome) {
    let (scope, op, variant) = (&task.scope, task.op.title(), &lowering.variant);
    match outcome {
        Outcome::Timed(timing) => {
            log::debug!("{scope}: {op} {variant} takes {:.1} µs", 1e6 * timing.seconds);
        }
        Outcome::Slow(seconds) => {
            log::debug!("{scope}: {op} {variant} takes {:.1} µs at first", 1e6 * seconds);
        }
        Outcome::Dropped(reason) => log::warn!("{scope}: {op} {variant} is dropped: {reason}"),
    }
}
