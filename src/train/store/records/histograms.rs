//! A line of `histograms.jsonl`: how a parameter, or its gradient, was distributed.

use serde::{Deserialize, Serialize};

use crate::ops::HistogramCounts;

/// What a histogram is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HistogramOf {
    /// A parameter after the step.
    Weights,
    /// Its gradient in the step: of the loss alone, before it is clipped.
    Gradients,
}

/// The histogram of one parameter, or of its gradient, in the last step of an epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistogramRecord {
    /// Number of the epoch, from 1.
    pub epoch: u32,
    /// Training steps completed so far.
    pub step: u64,
    /// Name of the parameter: `conv1.weight`.
    pub parameter: String,
    /// Which of the two.
    pub of: HistogramOf,
    /// The counts.
    #[serde(flatten)]
    pub counts: HistogramCounts,
}
