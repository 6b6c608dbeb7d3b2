//! What reaches a step of its data set.

use crate::graph::Value;

/// The batch of a step.
#[derive(Debug, Clone, Copy)]
pub struct Fed {
    /// Inputs `[batch, ...]`: images as normalized floats `[batch, h, w, c]`, or numbers as they are.
    pub x: Value,
    /// Labels `[batch]`, [`IGNORED_LABEL`](crate::ops::IGNORED_LABEL) where a row has no example; zeros where
    /// examples have other targets.
    pub labels: Value,
    /// Targets that are no labels of whole examples: labels or numbers `[batch, ...]`.
    pub targets: Option<Value>,
}
