//! The section `log`: what is written of a run for other programs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is written of a run for other programs: section `log`.
///
/// ```toml
/// [log]
/// tensorboard = true
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// Whether the run directory gets a folder `tensorboard`, which grows with each epoch: `tensorboard
    /// --logdir runs`.
    pub tensorboard: bool,
}

impl LogConfig {
    /// Whether this is the default.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    pub(in crate::train) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
