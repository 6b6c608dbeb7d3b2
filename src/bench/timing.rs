//! Time of one run of a loaded program.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::exec::{ExecError, Executor, ProgramId};

/// Samples of which the median is taken.
const SAMPLES: usize = 5;
/// Time after which no further sample is started: slow kernels get fewer samples.
const PATIENCE: Duration = Duration::from_millis(1500);
/// How long a sample should take: far longer than the cost of a submission, and well below the two
/// seconds after which desktop drivers reset a device.
const SAMPLE: Duration = Duration::from_millis(100);
/// Most runs in one sample: each becomes commands of its own.
const MAX_RUNS: u32 = 1000;

/// Time of one run of a program.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// Median over the samples, in seconds.
    pub seconds: f64,
    /// Fastest sample, in seconds.
    pub fastest: f64,
    /// Slowest sample, in seconds.
    pub slowest: f64,
    /// Samples taken.
    pub samples: usize,
    /// Runs in each sample, submitted together.
    pub runs: u32,
}

/// Samples of a program among others that it is compared with.
const TRIAL_SAMPLES: usize = 5;
/// How long such a sample should take: enough that the cost of a submission hardly counts.
const TRIAL_SAMPLE: Duration = Duration::from_millis(4);
/// How many times the fastest one's time makes further samples pointless.
const BEHIND: f64 = 1.5;

/// Times a program that has run before, for which it took `once` seconds, in a few milliseconds.
/// Where it is far behind `fastest` seconds, one sample is enough.
///
/// # Errors
/// When the device reports an error.
pub fn time_trial(
    executor: &mut dyn Executor,
    program: ProgramId,
    once: f64,
    fastest: f64,
) -> Result<Timing, ExecError> {
    let mut runs = runs_for(TRIAL_SAMPLE, once);
    let mut each = time_samples(executor, program, runs)? / f64::from(runs);
    while runs_for(TRIAL_SAMPLE, each) >= 2 * runs {
        runs = runs_for(TRIAL_SAMPLE, each);
        each = time_samples(executor, program, runs)? / f64::from(runs);
    }
    let mut seconds = vec![each];
    while seconds.len() < TRIAL_SAMPLES && each < BEHIND * fastest {
        seconds.push(time_samples(executor, program, runs)? / f64::from(runs));
    }
    Ok(Timing::of(seconds, runs))
}

/// Times programs in turns, so that a device that slows down slows all of them; each has a timing,
/// from which its number of runs follows.
///
/// # Errors
/// When the device reports an error.
pub fn time_in_turns(
    executor: &mut dyn Executor,
    programs: &[(ProgramId, Timing)],
) -> Result<Vec<Timing>, ExecError> {
    let mut seconds = vec![Vec::new(); programs.len()];
    for _ in 0..TRIAL_SAMPLES {
        for (&(program, timing), seconds) in programs.iter().zip(&mut seconds) {
            let runs = timing.runs;
            seconds.push(time_samples(executor, program, runs)? / f64::from(runs));
        }
    }
    let timings = programs.iter().zip(seconds);
    Ok(timings.map(|((_, timing), seconds)| Timing::of(seconds, timing.runs)).collect())
}

/// Times a program that is loaded and has its inputs. A first run, which may still compile, does
/// not count.
///
/// # Errors
/// When the device reports an error.
pub(super) fn time_program(
    executor: &mut dyn Executor,
    program: ProgramId,
) -> Result<Timing, ExecError> {
    let start = Instant::now();
    time_samples(executor, program, 1)?;
    // A short run is mostly the cost of submitting it: estimate again with more of them.
    let mut runs = 1;
    let mut once = time_samples(executor, program, 1)?;
    while runs_for(SAMPLE, once) >= 2 * runs {
        runs = runs_for(SAMPLE, once);
        once = time_samples(executor, program, runs)? / f64::from(runs);
    }
    let mut seconds = vec![once];
    while seconds.len() < SAMPLES && start.elapsed() < PATIENCE {
        seconds.push(time_samples(executor, program, runs)? / f64::from(runs));
    }
    Ok(Timing::of(seconds, runs))
}

impl Timing {
    /// The timing that samples of `runs` runs each amount to; each sample is the time of one run.
    pub(super) fn of(mut samples: Vec<f64>, runs: u32) -> Self {
        samples.sort_by(f64::total_cmp);
        Self {
            fastest: samples.first().copied().unwrap_or(0.0),
            slowest: samples.last().copied().unwrap_or(0.0),
            samples: samples.len(),
            seconds: median(samples),
            runs,
        }
    }
}

/// The median; the upper one of an even number, zero of none.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// Time of `runs` runs in one submission, in seconds.
fn time_samples(
    executor: &mut dyn Executor,
    program: ProgramId,
    runs: u32,
) -> Result<f64, ExecError> {
    let start = Instant::now();
    executor.run(program, runs)?;
    executor.wait()?;
    Ok(start.elapsed().as_secs_f64())
}

/// Number of runs that fill a sample, when one takes `once` seconds.
fn runs_for(sample: Duration, once: f64) -> u32 {
    let ratio = (sample.as_secs_f64() / once.max(1e-9)).clamp(1.0, f64::from(MAX_RUNS));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the ratio lies between one and a thousand"
    )]
    let runs = ratio as u32;
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_fill_a_sample_within_limits() {
        assert_eq!(runs_for(SAMPLE, 0.0), MAX_RUNS);
        assert_eq!(runs_for(SAMPLE, 0.01), 10);
        assert_eq!(runs_for(SAMPLE, 3.0), 1);
    }
}
