//! The key `loss_reduction`: what is differentiated of the losses of a batch.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is differentiated of the losses of a batch, as PyTorch's `reduction`. The loss that is shown
/// is their mean in either case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LossReduction {
    /// Their mean.
    #[default]
    Mean,
    /// Their sum: gradients grow with the batch.
    Sum,
}

impl LossReduction {
    /// Whether this is the default.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    pub(in crate::train) fn is_mean(&self) -> bool {
        *self == Self::Mean
    }
}
