//! Why training cannot start or go on, and why a run ends before its time.

use thiserror::Error;

use crate::compile::CompileError;
use crate::data::DataError;
use crate::error::ShapeError;
use crate::exec::ExecError;

/// Why training cannot start or go on.
#[derive(Debug, Error)]
pub enum TrainError {
    /// The recipe cannot be read.
    #[error("recipe {recipe}: {message}")]
    Recipe {
        /// File or name of the recipe.
        recipe: String,
        /// What is wrong, with the line.
        message: String,
    },
    /// A `--set` cannot be applied.
    #[error("--set {given}: {message}")]
    Override {
        /// The argument.
        given: String,
        /// What is wrong.
        message: String,
    },
    /// Layers do not fit together.
    #[error("the model does not fit its data: {0}")]
    Model(#[from] ShapeError),
    /// The data set cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The graph cannot be compiled for the device.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The device failed.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// The plan needs more memory than there is.
    #[error(
        "training needs {} MiB in batches of {batch_size}, {} MiB are free; {}",
        needed.div_ceil(1 << 20),
        available >> 20,
        advice(*fits)
    )]
    Memory {
        /// Bytes of the plan.
        needed: usize,
        /// Bytes that are free.
        available: usize,
        /// Images per step.
        batch_size: usize,
        /// The largest batch size that would fit.
        fits: Option<usize>,
    },
    /// The loss is no number any more.
    #[error("the loss became {loss} at step {step}; {advice}")]
    NotFinite {
        /// Step, from one, as in `steps.csv`.
        step: u64,
        /// The loss.
        loss: f32,
        /// What may help: [`crate::train::Recipe::advice_if_diverged`].
        advice: String,
    },
    /// A checkpoint cannot be taken, or the run cannot go on from it.
    #[error("the run cannot go on from its checkpoint: {message}")]
    Checkpoint {
        /// Why.
        message: String,
    },
    /// What was under way was given up because somebody asked for it.
    #[error("interrupted")]
    Interrupted,
    /// Weights do not belong to the model.
    #[error("weights do not fit the model: {0}")]
    Weights(String),
}

/// What an observer ends a run with.
pub type ObserverError = Box<dyn std::error::Error + Send + Sync>;

/// Why a run ends before its time.
#[derive(Debug, Error)]
pub enum RunError {
    /// Training cannot go on.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The observer ends it.
    #[error(transparent)]
    Observer(#[from] ObserverError),
}

fn advice(fits: Option<usize>) -> String {
    match fits {
        Some(batch) => format!("it would fit with --set batch_size={batch}"),
        None => "not even a batch of one image would fit: use a smaller model or data set, or \
                 another --device"
            .to_owned(),
    }
}
