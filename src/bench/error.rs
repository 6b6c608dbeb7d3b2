//! Why something could not be measured.

use thiserror::Error;

use crate::compile::CompileError;
use crate::error::ShapeError;
use crate::exec::ExecError;

/// Why something could not be measured.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
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
    /// The CPU executor runs reference code, whose speed says nothing.
    #[error("benchmarks need a GPU, the CPU executor only runs reference code; use --device gpu")]
    NoGpu,
}
