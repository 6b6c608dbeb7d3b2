//! The section `histograms`: when weights and gradients are counted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ops::Histogram;

/// Histograms of the weights of each layer and of their gradients, in the last step of an epoch:
/// section `histograms`.
///
/// ```toml
/// [histograms]
/// every_epochs = 5
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HistogramsConfig {
    /// Epochs from one to the next.
    #[serde(default = "each")]
    #[schemars(range(min = 1))]
    pub every_epochs: u32,
    /// Bins of each: a power of two from 8 to 512.
    #[serde(default = "bins")]
    #[schemars(extend("enum" = [8, 16, 32, 64, 128, 256, 512]))]
    pub bins: usize,
}

const fn each() -> u32 {
    1
}

const fn bins() -> usize {
    64
}

impl HistogramsConfig {
    /// Says which key holds a number that cannot be, and what is wrong with it.
    pub(in crate::train) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.every_epochs == 0 {
            return Err(("every_epochs", "must be at least 1".to_owned()));
        }
        Histogram::check_bins(self.bins).map_err(|what| ("bins", what))
    }

    /// Whether the last step of an epoch counted.
    pub(in crate::train) fn counts_in(&self, epoch: u32) -> bool {
        epoch.is_multiple_of(self.every_epochs.max(1))
    }
}
