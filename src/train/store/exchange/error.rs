//! Why weights cannot be exchanged.

use std::path::PathBuf;

use thiserror::Error;

use crate::error::ShapeError;
use crate::train::WeightsError;
use crate::train::store::files::FileError;

/// Why weights cannot be exchanged.
#[derive(Debug, Error)]
pub enum ExchangeError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The weights cannot be saved or loaded.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The file is none that can be read.
    #[error("{}: {problem}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The model has no form in the other program.
    #[error("these layers cannot be exchanged: {0}")]
    Model(String),
    /// Layers do not fit together.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// The tensors of a file are not those of the model.
    #[error(
        "the weights are not those of the model:\n  {}{}",
        problems.join("\n  "),
        hint.as_ref().map(|hint| format!("\n{hint}")).unwrap_or_default()
    )]
    Mismatch {
        /// Each tensor that is missing, has another shape or type, or does not belong.
        problems: Vec<String>,
        /// What to try.
        hint: Option<String>,
    },
    /// A prefix or a name that was given is not in the file.
    #[error("{0}")]
    Selection(String),
}
