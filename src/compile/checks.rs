//! Whether kernels are compiled with checks of their indices, loops and divisors.

use serde::{Deserialize, Serialize};

/// Which kernels run with checks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Checks {
    /// Those that are not proved to need none.
    #[default]
    WhereNeeded,
    /// All; nothing is audited.
    Everywhere,
}

impl Checks {
    /// Whether it is what one gets without asking.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What audits told of kernels, each with its workgroups and sizes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditCounts {
    /// Proved: they run without checks.
    pub proved: usize,
    /// With checks, since data decide an index.
    pub by_data: usize,
    /// With checks, since the audit found something.
    pub refused: usize,
}

impl AuditCounts {
    /// Adds other counts.
    pub fn add(&mut self, other: Self) {
        self.proved += other.proved;
        self.by_data += other.by_data;
        self.refused += other.refused;
    }

    /// Whether nothing was audited.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
