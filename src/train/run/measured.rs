//! What is timed of a run: its setup, and steps that are traced.

use std::time::Duration;

use crate::exec::RunProfile;

/// Where the time before the first step went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SetupTimes {
    /// Building the graphs of the run's programs and compiling them.
    pub compile: Duration,
    /// Allocating the buffers of a step and making its pipelines.
    pub load: Duration,
    /// Writing the data set to the device.
    pub upload: Duration,
    /// Loading the programs of the evaluations with their data, and initial weights.
    pub rest: Duration,
}

/// The steps of a run that are timed dispatch by dispatch.
#[derive(Debug, Default)]
pub(in crate::train) struct Traced {
    first: u64,
    wanted: usize,
    pub profiles: Vec<RunProfile>,
}

impl Traced {
    /// About `wanted` steps from step `first` on.
    pub fn new(first: u64, wanted: usize) -> Self {
        Self { first, wanted, profiles: Vec::new() }
    }

    /// Whether the step is one of them.
    pub fn wants(&self, step: u64) -> bool {
        step >= self.first && self.profiles.len() < self.wanted
    }
}
