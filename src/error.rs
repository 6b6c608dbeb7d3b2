//! The error of the lowest floors: an operation that was given tensors it cannot take.

use thiserror::Error;

/// Why an operation rejects its operands: what was given, what was expected, what to do.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{op}: {message}")]
pub struct ShapeError {
    /// The operation, by its registry name.
    pub op: String,
    /// What was given and what was expected.
    pub message: String,
}

impl ShapeError {
    /// Builds the error for operation `op`.
    pub fn new(op: &str, message: impl Into<String>) -> Self {
        Self { op: op.to_owned(), message: message.into() }
    }
}
