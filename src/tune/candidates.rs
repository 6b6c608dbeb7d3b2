//! One op on one set of shapes: its candidates, checked and timed.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use crate::bench::{BenchError, Timing, time_lowering};
use crate::compile::{Picks, Program, runnable};
use crate::exec::{ExecError, Executor};
use crate::graph::{Caps, Case, Lowering, Op, Signature};
use crate::verify::CaseCheck;

/// Time by which a candidate must beat the best guess to be picked: less is noise.
const MARGIN: f64 = 0.97;
/// Runs within which a candidate must earn what its preparation takes longer.
const RUNS: f64 = 1000.0;

/// An op on given shapes.
#[derive(Debug, Clone)]
pub struct Task {
    /// The first layer that runs it.
    pub scope: String,
    /// The op.
    pub op: Arc<dyn Op>,
    /// Its shapes.
    pub sig: Signature,
}

/// What became of a candidate.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// It is right and was timed.
    Timed(Timing),
    /// It is wrong or could not be run, for this reason.
    Dropped(String),
}

/// A variant of a task.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The variant.
    pub lowering: Lowering,
    /// What became of it.
    pub outcome: Outcome,
    /// Time of its check in seconds, most of which is its compilation.
    pub preparation: f64,
}

impl Candidate {
    /// Time of one run in seconds, where it was timed.
    pub fn seconds(&self) -> Option<f64> {
        match &self.outcome {
            Outcome::Timed(timing) => Some(timing.seconds),
            Outcome::Dropped(_) => None,
        }
    }
}

/// A task with its candidates, best guess first.
#[derive(Debug, Clone)]
pub struct Tuned {
    /// The task.
    pub task: Task,
    /// Its candidates.
    pub candidates: Vec<Candidate>,
}

impl Tuned {
    /// The candidate that is right and takes least time over a thousand runs, its preparation
    /// included: the best guess, where none is clearly faster.
    pub fn pick(&self) -> Option<&Candidate> {
        let timed = |candidate: &&Candidate| candidate.seconds().is_some();
        let seconds = |candidate: &Candidate| {
            candidate.seconds().map_or(f64::INFINITY, |run| run + candidate.preparation / RUNS)
        };
        let guess = self.candidates.first().filter(timed);
        let fastest = self
            .candidates
            .iter()
            .filter(timed)
            .min_by(|a, b| seconds(a).total_cmp(&seconds(b)))?;
        match guess {
            Some(guess) if seconds(fastest) > MARGIN * seconds(guess) => Some(guess),
            _ => Some(fastest),
        }
    }
}

/// The distinct ops and shapes of programs that have more than one variant on a device with
/// `caps`, and no pick yet.
pub fn tasks(programs: &[&Program], caps: &Caps, picks: &Picks) -> Vec<Task> {
    let mut seen = HashSet::new();
    let mut tasks = Vec::new();
    for step in programs.iter().flat_map(|program| &program.steps) {
        let sig = step.signature();
        let lowerings = runnable(step.op.as_ref(), &sig, caps);
        let key = (step.op.name(), step.op.attributes().to_string(), sig.clone());
        if lowerings.len() > 1
            && !picks.covers(step.op.as_ref(), &sig, &lowerings)
            && seen.insert(key)
        {
            tasks.push(Task { scope: step.scope.clone(), op: step.op.clone(), sig });
        }
    }
    tasks
}

/// Checks and times every candidate of a task.
///
/// # Errors
/// When the device is lost, or the op rejects the shapes.
pub fn tune_task(executor: &mut dyn Executor, task: &Task) -> Result<Tuned, BenchError> {
    let case = Case::of_model("tune", task.op.clone(), &task.sig.inputs);
    let check = CaseCheck::new(&case, &task.sig)?;
    let mut candidates = Vec::new();
    for lowering in runnable(task.op.as_ref(), &task.sig, executor.caps()) {
        let start = Instant::now();
        let checked = check.check(executor, &lowering).map_err(BenchError::from);
        let preparation = start.elapsed().as_secs_f64();
        let timed =
            checked.and_then(|()| time_lowering(executor, &case, check.inputs(), &lowering));
        let outcome = match timed {
            Ok(timing) => {
                log::debug!(
                    "{}: {} {} takes {:.1} µs, its check {:.0} ms",
                    task.scope,
                    task.op.title(),
                    lowering.variant,
                    1e6 * timing.seconds,
                    1e3 * preparation
                );
                Outcome::Timed(timing)
            }
            Err(lost @ BenchError::Exec(ExecError::Lost { .. })) => return Err(lost),
            Err(error) => {
                let (op, variant) = (task.op.name(), &lowering.variant);
                log::warn!("{}: {op} {variant} is dropped: {error}", task.scope);
                Outcome::Dropped(error.to_string())
            }
        };
        candidates.push(Candidate { lowering, outcome, preparation });
    }
    Ok(Tuned { task: task.clone(), candidates })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Matmul;
    use crate::tensor::TensorType;

    /// A task whose candidates take these times, and these seconds of preparation.
    fn tuned(times: &[(Option<f64>, f64)]) -> Tuned {
        let ty = TensorType::f32([4, 4]);
        let sig = Signature { inputs: vec![ty.clone(), ty.clone()], outputs: vec![ty] };
        let candidate = |(i, &(seconds, preparation)): (usize, &(Option<f64>, f64))| Candidate {
            preparation,
            lowering: Lowering { variant: i.to_string(), scratch: Vec::new(), kernels: Vec::new() },
            outcome: match seconds {
                Some(seconds) => Outcome::Timed(Timing {
                    seconds,
                    fastest: seconds,
                    slowest: seconds,
                    samples: 1,
                    runs: 1,
                }),
                None => Outcome::Dropped("wrong".to_owned()),
            },
        };
        let task = Task { scope: "dense".to_owned(), op: Arc::new(Matmul::default()), sig };
        Tuned { task, candidates: times.iter().enumerate().map(candidate).collect() }
    }

    #[test]
    fn the_fastest_right_candidate_is_picked_and_noise_keeps_the_guess() {
        for (times, expected) in [
            (vec![Some(1.0), Some(0.5), Some(0.7)], Some("1")),
            (vec![Some(1.0), Some(0.98)], Some("0")),
            (vec![None, Some(3.0), None], Some("1")),
            (vec![None, None], None),
        ] {
            let times: Vec<_> = times.into_iter().map(|seconds| (seconds, 0.0)).collect();
            let tuned = tuned(&times);
            let picked = tuned.pick().map(|candidate| candidate.lowering.variant.as_str());
            assert_eq!(picked, expected, "{times:?}");
        }
    }

    #[test]
    fn a_candidate_must_earn_its_preparation() {
        for (preparation, expected) in [(50.0, "1"), (200.0, "0")] {
            let tuned = tuned(&[(Some(1.0), 1.0), (Some(0.9), preparation)]);
            let picked = tuned.pick().map(|candidate| candidate.lowering.variant.as_str());
            assert_eq!(picked, Some(expected), "{preparation} s of preparation");
        }
    }
}
