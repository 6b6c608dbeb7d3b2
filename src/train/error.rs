//! Why training cannot start or go on, and why a run ends before its time.

use std::fmt;

use thiserror::Error;

use crate::compile::CompileError;
use crate::data::{DataError, Task};
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
    /// A model that does not classify was given to what asks for classes.
    #[error(
        "the model was trained with task = \"{}\": this takes models that tell one of several classes",
        task.name()
    )]
    NoClasses {
        /// What it learned.
        task: Task,
    },
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
    /// A tensor is larger than what the device holds at once.
    #[error("{error}; {advice}")]
    Limit {
        /// What is too large.
        error: CompileError,
        /// What would fit.
        advice: LimitAdvice,
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

/// What would fit a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LimitAdvice {
    /// Smaller batches.
    Batch {
        /// The largest batch that fits.
        fits: usize,
        /// Parts in which the batch that was asked for fits, where it does.
        parts: Option<usize>,
    },
    /// Another model: what is too large has one size in every batch.
    Weight {
        /// The most units or channels that fit, where fewer do.
        units: Option<u64>,
    },
    /// Smaller images or fewer channels: a single image is too much.
    Image,
}

impl fmt::Display for LimitAdvice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Batch { fits, parts } => {
                write!(f, "it would fit with --set batch_size={fits}")?;
                parts.map_or(Ok(()), |parts| {
                    write!(f, ", or as the same batch in parts with --set accumulate={parts}")
                })
            }
            Self::Weight { units } => {
                write!(f, "it has this size in every batch: ")?;
                match units {
                    Some(units) => write!(f, "at most {units} units or channels would fit")?,
                    None => write!(f, "use a smaller model")?,
                }
                write!(f, ", and --device cpu has no such limit")
            }
            Self::Image => write!(
                f,
                "not even a batch of one image would fit: use smaller images or fewer channels, or --device \
                 cpu, which has no such limit"
            ),
        }
    }
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
