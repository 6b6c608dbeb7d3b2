//! Why a model cannot be trained, used, saved or loaded.

use std::path::PathBuf;

use thiserror::Error;

use crate::compile::CompileError;
use crate::data::DataError;
use crate::error::ShapeError;
use crate::exec::ExecError;
use crate::train::{ExchangeError, FileError, RunError, TrainError, WeightsError};

/// Why a model cannot be trained, used, saved or loaded.
#[derive(Debug, Error)]
pub enum ModelError {
    /// Layers, loss and data do not go together, or the device fails.
    #[error(transparent)]
    Train(Box<TrainError>),
    /// A training ends before its time.
    #[error(transparent)]
    Run(Box<RunError>),
    /// The data cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The device fails.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// The model does not fit the device.
    #[error(transparent)]
    Compile(Box<CompileError>),
    /// Layers do not fit together.
    #[error("the layers do not fit: {0}")]
    Layers(#[from] ShapeError),
    /// A number of a layer cannot be.
    #[error("layer {key}: {message}")]
    Layer {
        /// Which number of which layer: `1.rate`.
        key: String,
        /// What is wrong with it.
        message: String,
    },
    /// What was given to be predicted is no number of inputs.
    #[error("{given} numbers were given: expected one or more inputs of {expected} each")]
    Inputs {
        /// Numbers given.
        given: usize,
        /// Numbers of an input.
        expected: usize,
    },
    /// A weight file cannot be used.
    #[error(transparent)]
    Exchange(Box<ExchangeError>),
    /// A weight file cannot be written or read.
    #[error(transparent)]
    Weights(Box<WeightsError>),
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A model cannot be written as text.
    #[error(
        "the model cannot be written: {0}; layers and losses of your own are in code only: build the model in \
         code and use Model::load_weights"
    )]
    Unwritable(String),
    /// A text is no model.
    #[error("this is no model: {0}")]
    Text(String),
    /// A file has weights, and no model.
    #[error(
        "{}: there are weights in it and no model: build the model in code and use Model::load_weights",
        .0.display()
    )]
    NoModel(PathBuf),
}

/// Errors that are larger than what a function should return.
macro_rules! boxed {
    ($($variant:ident: $error:ident),*) => {
        $(impl From<$error> for ModelError {
            fn from(error: $error) -> Self {
                Self::$variant(Box::new(error))
            }
        })*
    };
}

boxed!(
    Train: TrainError,
    Run: RunError,
    Exchange: ExchangeError,
    Compile: CompileError,
    Weights: WeightsError
);
