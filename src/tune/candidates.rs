//! One op on one set of shapes, its candidates, and which of them is picked.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use crate::bench::Timing;
use crate::compile::{Picks, Program, runnable};
use crate::graph::{Caps, Lowering, Op, Signature};

/// Time by which a candidate must beat the best guess to be picked: less is noise.
const MARGIN: f64 = 0.97;
/// Runs within which a candidate must earn what its preparation takes longer.
const RUNS: f64 = 1000.0;
/// Floating-point operations in the time of moving a byte: between those of processors and GPUs. It
/// only says what is tuned first.
const FLOP_PER_BYTE: u64 = 12;
/// How much more often a training step runs than a step of an evaluation.
const RARELY: u64 = 10;

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
    /// Its first run took so many seconds that it was neither checked nor timed any further.
    Slow(f64),
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
    /// Time of its compilation, in seconds.
    pub preparation: f64,
}

impl Candidate {
    /// Time of one run in seconds, where it was timed.
    pub fn seconds(&self) -> Option<f64> {
        match &self.outcome {
            Outcome::Timed(timing) => Some(timing.seconds),
            Outcome::Slow(_) | Outcome::Dropped(_) => None,
        }
    }
}

/// Seconds that a task took, by what they were spent on.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Spent {
    /// Compiling kernels, beside each other where the device allows it.
    pub compiling: f64,
    /// Making inputs and running the reference.
    pub reference: f64,
    /// Running candidates and comparing what they give.
    pub checking: f64,
    /// Timing them.
    pub timing: f64,
}

impl Spent {
    /// Adds what another task took.
    pub fn add(&mut self, other: Self) {
        self.compiling += other.compiling;
        self.reference += other.reference;
        self.checking += other.checking;
        self.timing += other.timing;
    }
}

/// A task with its candidates, best guess first.
#[derive(Debug, Clone)]
pub struct Tuned {
    /// The task.
    pub task: Task,
    /// Its candidates.
    pub candidates: Vec<Candidate>,
    /// What it took.
    pub spent: Spent,
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
/// `caps`, and no pick yet: those first that take most of a step, as far as that follows from their
/// work. The first program is the one that runs most often.
pub fn tasks(programs: &[&Program], caps: &Caps, picks: &Picks) -> Vec<Task> {
    let mut tasks: Vec<(Task, u64)> = Vec::new();
    let mut known: HashMap<(&str, String, Signature), Option<usize>> = HashMap::new();
    for (number, program) in programs.iter().enumerate() {
        for step in &program.steps {
            let sig = step.signature();
            let key = (step.op.name(), step.op.attributes().to_string(), sig.clone());
            let at = *known.entry(key).or_insert_with(|| {
                let lowerings = runnable(step.op.as_ref(), &sig, caps);
                let open = lowerings.len() > 1 && !picks.covers(step.op.as_ref(), &sig, &lowerings);
                open.then(|| {
                    let task = Task { scope: step.scope.clone(), op: step.op.clone(), sig };
                    tasks.push((task, 0));
                    tasks.len() - 1
                })
            });
            if let Some((task, work)) = at.and_then(|at| tasks.get_mut(at)) {
                let cost = task.op.cost(&task.sig);
                let once = cost.bytes + cost.flop / FLOP_PER_BYTE;
                *work += if number == 0 { once } else { once / RARELY };
            }
        }
    }
    tasks.sort_by_key(|&(_, work)| Reverse(work));
    tasks.into_iter().map(|(task, _)| task).collect()
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
        Tuned {
            task,
            candidates: times.iter().enumerate().map(candidate).collect(),
            spent: Spent::default(),
        }
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
