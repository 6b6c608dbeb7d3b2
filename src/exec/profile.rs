//! Where the time of one run of a program goes.

use serde::{Deserialize, Serialize};

/// How the spans of a [`RunProfile`] were timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// By the device, around each dispatch: what the dispatch takes and nothing else.
    Timestamps,
    /// By the host, each dispatch submitted alone and waited for: some microseconds of submission
    /// and waiting are counted with each.
    Submissions,
    /// By the host, which is the device.
    Host,
}

impl Clock {
    /// What the times are, in words.
    pub fn description(self) -> &'static str {
        match self {
            Self::Timestamps => "timed by the device, dispatch by dispatch",
            Self::Submissions => {
                "the device has no timestamps: each dispatch was submitted alone and waited for, \
                 which is counted with it"
            }
            Self::Host => "timed on the CPU, step by step",
        }
    }
}

/// What the host did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostPhase {
    /// Writing commands.
    Encode,
    /// Handing them to the driver.
    Submit,
    /// Waiting for the device.
    Wait,
    /// Reading results back.
    Readback,
}

impl HostPhase {
    /// Its name: `encode`, `submit`, `wait` or `readback`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Encode => "encode",
            Self::Submit => "submit",
            Self::Wait => "wait",
            Self::Readback => "readback",
        }
    }
}

/// A part of the host's time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HostSpan {
    /// What was done.
    pub phase: HostPhase,
    /// Seconds from the start of the run.
    pub start: f64,
    /// Duration in seconds.
    pub seconds: f64,
}

/// A part of the device's time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeviceSpan {
    /// Position of the step in the program.
    pub step: usize,
    /// Position of the dispatch in the step; 0 on the CPU, which runs a step whole.
    pub dispatch: usize,
    /// Seconds from the start of the run. Clocks of host and device differ: the first dispatch is
    /// put at the end of the submission.
    pub start: f64,
    /// Duration in seconds.
    pub seconds: f64,
}

/// Times of one run of a program.
#[derive(Debug, Clone, PartialEq)]
pub struct RunProfile {
    /// How the device's spans were timed.
    pub clock: Clock,
    /// The host's time, in order.
    pub host: Vec<HostSpan>,
    /// The device's time, in order. Empty where an executor cannot tell the steps apart.
    pub device: Vec<DeviceSpan>,
}

impl RunProfile {
    /// Seconds in which the device was busy.
    pub fn busy(&self) -> f64 {
        self.device.iter().map(|span| span.seconds).sum()
    }

    /// Seconds of each of a program's steps: the sum over its dispatches.
    pub fn step_seconds(&self, steps: usize) -> Vec<f64> {
        let mut seconds = vec![0.0; steps];
        for span in &self.device {
            if let Some(total) = seconds.get_mut(span.step) {
                *total += span.seconds;
            }
        }
        seconds
    }
}

/// Turns begin and end times of dispatches, in ticks of a device whose clock runs once in `tick`
/// seconds, into spans that start at `origin`. `places` holds step and dispatch of each.
///
/// A device may begin a dispatch before the one before has ended, only to wait for it: what lies
/// before the end of the one before is not counted.
pub(super) fn spans_from_ticks(
    places: &[(usize, usize)],
    ticks: &[[u64; 2]],
    tick: f64,
    origin: f64,
) -> Vec<DeviceSpan> {
    let zero = ticks.first().map_or(0, |first| first[0]);
    let seconds = |ticks: u64| {
        #[expect(clippy::cast_precision_loss, reason = "a run takes far less than 2^53 ticks")]
        let ticks = ticks as f64;
        ticks * tick
    };
    let mut busy_until = zero;
    let spans = places.iter().zip(ticks).map(|(&(step, dispatch), &[begin, end])| {
        let begin = begin.max(busy_until);
        let end = end.max(begin);
        busy_until = end;
        let start = origin + seconds(begin - zero);
        DeviceSpan { step, dispatch, start, seconds: seconds(end - begin) }
    });
    spans.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_dispatches_are_not_counted_twice() {
        let places = [(0, 0), (0, 1), (2, 0)];
        // The second begins while the first runs; before the third, the device is idle.
        let ticks = [[1000, 1400], [1100, 1600], [2000, 2100]];
        let spans = spans_from_ticks(&places, &ticks, 0.5, 3.0);
        let seen: Vec<_> = spans.iter().map(|s| (s.step, s.start, s.seconds)).collect();
        assert_eq!(seen, [(0, 3.0, 200.0), (0, 203.0, 100.0), (2, 503.0, 50.0)]);
        let profile = RunProfile { clock: Clock::Timestamps, host: Vec::new(), device: spans };
        assert_eq!(profile.step_seconds(3), [300.0, 0.0, 50.0]);
        assert_eq!(profile.busy(), 350.0);
    }

    #[test]
    fn a_clock_that_runs_backwards_gives_no_negative_time() {
        let spans = spans_from_ticks(&[(0, 0), (1, 0)], &[[10, 20], [5, 8]], 1.0, 0.0);
        assert_eq!(spans[1].seconds, 0.0);
    }
}
