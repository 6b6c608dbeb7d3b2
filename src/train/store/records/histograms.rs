//! A line of `histograms.jsonl`: how a parameter, or its gradient, was distributed.

use serde::{Deserialize, Serialize};

use crate::ops::HistogramCounts;
use crate::train::step::histograms::HistogramOf;

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
