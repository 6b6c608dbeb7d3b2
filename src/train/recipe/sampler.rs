//! Which training examples an epoch has.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How often an epoch trains on each example.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sampler {
    /// Once.
    #[default]
    Plain,
    /// Such that each class comes equally often, in as many steps: examples of small classes come again
    /// and again, of large ones another part in each epoch.
    Balanced,
}

impl Sampler {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    pub(super) fn is_plain(&self) -> bool {
        *self == Self::Plain
    }
}
