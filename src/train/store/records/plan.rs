//! `plan.json`: what a run needs, as planned before its first step.

use serde::{Deserialize, Serialize};

/// What a run needs, as planned before its first step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunPlan {
    /// Trainable numbers.
    pub parameters: usize,
    /// Device memory of training and evaluation, in bytes.
    pub planned_bytes: usize,
    /// Memory of the host beside that at the largest, in bytes.
    pub planned_host_bytes: usize,
}
