//! Why a page cannot be written.

use thiserror::Error;

use super::CurvesError;
use crate::train::{FileError, RunDirError, TrainError};

/// Why a page cannot be written.
#[derive(Debug, Error)]
pub enum ReportError {
    /// A file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The run cannot be read.
    #[error(transparent)]
    Run(#[from] RunDirError),
    /// The recipe of the run, its weights or its model cannot be used.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The curves cannot be drawn.
    #[error(transparent)]
    Curves(#[from] CurvesError),
    /// A picture cannot be encoded: a defect of verigrad.
    #[error("a picture cannot be made: {message}; please report this as a bug of verigrad")]
    Picture {
        /// The reason.
        message: String,
    },
}
