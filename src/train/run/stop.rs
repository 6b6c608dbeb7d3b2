//! Whether a run goes on, and how and why it ends.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What the loop does next.
#[derive(Debug, Clone, PartialEq)]
pub enum Flow {
    /// It goes on.
    Continue,
    /// It ends.
    Stop(Stop),
}

/// How a run ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Why.
    pub reason: StopReason,
    /// Whether the weights of the best epoch replace those of the last one.
    pub restore_best: bool,
}

impl Stop {
    /// Ends a run with the weights that it has.
    pub fn because(reason: StopReason) -> Self {
        Self { reason, restore_best: false }
    }
}

/// Why a run ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// All epochs of the recipe are done.
    Completed,
    /// Somebody interrupted it: it is to be resumed.
    Interrupted,
    /// What the run may take is spent; the text says what.
    Budget(String),
    /// There is no use in going on; the text says why.
    Early(String),
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Completed => f.write_str("all epochs are done"),
            Self::Interrupted => f.write_str("interrupted"),
            Self::Budget(why) | Self::Early(why) => f.write_str(why),
        }
    }
}
