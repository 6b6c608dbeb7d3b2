//! Where a run stands, and which epoch was the best so far.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::tensor::HostTensor;
use crate::train::store::records::csv::null_is_nan;

/// Where the loop stands. With the states on the device, this decides the rest of a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(in crate::train) struct Position {
    /// Epoch that is under way or comes next, from one.
    pub epoch: u32,
    /// Step at which the epoch began; none while it has not.
    pub first: Option<u64>,
    /// Time that the steps of the epoch have taken so far.
    pub epoch_time: Duration,
    /// Time that the run took before this session.
    pub run_time: Duration,
}

impl Position {
    /// Before the first epoch.
    pub const START: Self =
        Self { epoch: 1, first: None, epoch_time: Duration::ZERO, run_time: Duration::ZERO };
}

/// The best epoch so far.
#[derive(Debug, Clone)]
pub(in crate::train) struct Best {
    /// Which it is.
    pub mark: BestMark,
    /// The weights that were evaluated.
    pub weights: Vec<(String, HostTensor)>,
}

/// The best epoch of a run so far.
#[derive(Debug, Clone, Copy)]
pub struct BestEpoch<'a> {
    /// Its number, from one.
    pub epoch: u32,
    /// Its accuracy on the test set.
    pub test_accuracy: f64,
    /// The weights that were evaluated.
    pub weights: &'a [(String, HostTensor)],
}

/// The best epoch so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(in crate::train) struct BestMark {
    /// Its number, from one.
    pub epoch: u32,
    /// What it is the best by.
    #[serde(deserialize_with = "null_is_nan")]
    pub score: f64,
    /// Its accuracy on the test set.
    #[serde(deserialize_with = "null_is_nan")]
    pub test_accuracy: f64,
}
