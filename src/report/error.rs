//! Why a page or a picture cannot be made.

use thiserror::Error;

use crate::train::{FileError, RunDirError, TrainError};

/// Why a page or a picture cannot be made.
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
    /// A picture cannot be drawn or encoded: a defect of verigrad.
    #[error("a picture cannot be made: {message}; please report this as a bug of verigrad")]
    Picture {
        /// The reason.
        message: String,
    },
}
