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
    /// Benchmarks of ops compare the lowerings of a GPU.
    #[error("benchmarks of ops need a GPU; use --device gpu, or name a recipe")]
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
