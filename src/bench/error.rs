//! Why something could not be measured.

use thiserror::Error;

use crate::compile::CompileError;
use crate::error::ShapeError;
use crate::exec::ExecError;
use crate::verify::Failure;

/// Why something could not be measured.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum BenchError {
    /// The shapes of a case are wrong.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// The program does not fit the device.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The device reported an error.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// A kernel computes something else than its reference.
    #[error(transparent)]
    Wrong(Failure),
    /// The CPU executor runs reference code, whose speed says nothing.
    #[error("benchmarks need a GPU, the CPU executor only runs reference code; use --device gpu")]
    NoGpu,
}

impl From<Failure> for BenchError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Shape(error) => Self::Shape(error),
            Failure::Exec(error) => Self::Exec(error),
            other => Self::Wrong(other),
        }
    }
}
