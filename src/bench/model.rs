//! Speed of a model's training step, and all that a user waits for before it.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{DevicePeaks, RooflineRow, Timing};
use crate::compile::Launches;
use crate::exec::Clock;

/// A part of the time before the first step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SetupPart {
    /// What was done.
    pub name: String,
    /// Duration in seconds.
    pub seconds: f64,
}

/// Memory of the process at some point of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryAt {
    /// Steps completed.
    pub steps: u32,
    /// Resident memory of the process in bytes. Holds the device's memory too where the device is
    /// the CPU.
    pub host_bytes: u64,
}

/// Speed of one model on one device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelRow {
    /// Name of the device.
    pub device: String,
    /// Name of the model.
    pub model: String,
    /// Images in one step.
    pub batch: u32,
    /// Time of a step; each sample is a repetition of many steps.
    pub timing: Timing,
    /// Steps per second, by the median.
    pub steps_per_second: f64,
    /// Images per second, by the median.
    pub images_per_second: f64,
    /// Time from opening the device to the end of the first step, in seconds.
    pub seconds_to_first_step: f64,
    /// What it consists of, in order.
    pub setup: Vec<SetupPart>,
    /// Dispatches and barriers of a step.
    #[serde(default)]
    pub launches: Option<Launches>,
    /// Host time that encoding and submitting one step takes, in seconds.
    pub host_seconds_per_step: f64,
    /// Time in which the device computes, in seconds per step: the sum over the dispatches of a
    /// profiled step.
    pub busy_seconds_per_step: f64,
    /// Rest of a step's time, in seconds.
    pub idle_seconds_per_step: f64,
    /// Largest resident memory of the process in bytes, where the system tells it.
    pub peak_host_bytes: Option<u64>,
    /// Bytes of the tensors on the device.
    pub device_bytes: u64,
    /// Memory in the course of the run.
    pub memory: Vec<MemoryAt>,
    /// How the dispatches of a step were timed.
    pub clock: Clock,
    /// What the device can do at best.
    pub peaks: DevicePeaks,
    /// The ops of a step.
    pub ops: Vec<RooflineRow>,
}

/// Times `repetitions` repetitions of many steps each, `duration` in all. `run` runs a number of
/// steps and waits for them; a few steps of warm-up do not count.
///
/// # Errors
/// Those of `run`.
pub fn measure_steps<E>(
    duration: Duration,
    repetitions: u32,
    mut run: impl FnMut(u32) -> Result<(), E>,
) -> Result<Timing, E> {
    let mut time = |steps: u32| -> Result<f64, E> {
        let start = Instant::now();
        run(steps)?;
        Ok(start.elapsed().as_secs_f64() / f64::from(steps))
    };
    let wanted = duration.as_secs_f64() / f64::from(repetitions.max(1));
    // Models whose steps are longer than a repetition are warm after one.
    if time(1)? < wanted {
        time(WARMUP_STEPS)?;
    }
    // A first estimate includes what the host does once in a run of steps: estimate again.
    let mut steps = 1;
    loop {
        let once = time(steps)?;
        let fitting = (wanted / once.max(1e-9)).clamp(1.0, MAX_STEPS);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between one and a hundred thousand"
        )]
        let fitting = fitting as u32;
        if fitting < 2 * steps {
            steps = fitting.max(1);
            break;
        }
        steps = fitting.min(8 * steps);
    }
    let samples = (0..repetitions.max(1)).map(|_| time(steps)).collect::<Result<_, E>>()?;
    Ok(Timing::of(samples, steps))
}

/// Steps that are not counted.
const WARMUP_STEPS: u32 = 3;
/// Most steps of a repetition.
const MAX_STEPS: f64 = 1e5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_fill_the_duration() {
        let mut calls = Vec::new();
        let duration = Duration::from_millis(100);
        let timing = measure_steps::<()>(duration, 4, |steps| {
            calls.push(steps);
            std::thread::sleep(Duration::from_millis(1) * steps);
            Ok(())
        });
        let timing = timing.expect("nothing fails");
        assert_eq!(calls[..2], [1, WARMUP_STEPS]);
        assert_eq!(calls[calls.len() - 4..], [timing.runs; 4]);
        assert_eq!(timing.samples, 4);
        assert!(timing.runs > 4 && timing.runs <= 25, "{timing:?}");
        assert!(timing.seconds >= 1e-3 && timing.fastest <= timing.seconds, "{timing:?}");
    }

    #[test]
    fn errors_end_the_measurement() {
        assert_eq!(measure_steps(Duration::ZERO, 1, |_| Err("broken")), Err("broken"));
    }
}
