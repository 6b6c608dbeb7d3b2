//! Errors at the command line: the whole chain of causes, and an exit code.

use std::error::Error;
use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use thiserror::Error;

use super::interrupt;
use super::wgsl::WgslError;
use crate::bench::BenchError;
use crate::exec::ExecError;
use crate::train::{ExchangeError, RunError, TrainError, WeightsError};

/// What ends the program.
#[derive(Debug)]
pub(super) struct Failure(Box<dyn Error + Send + Sync>);

/// What was asked for is not there; the text says what is.
#[derive(Debug, Error)]
#[error("{0}")]
pub(super) struct Unknown(pub String);

/// A signal asked a command to end. It has kept what it had; the text says how to go on.
#[derive(Debug, Error)]
#[error("{0}")]
pub(super) struct Interrupted(pub String);

/// The loss of a training is no number any more; the text says where that began.
#[derive(Debug, Error)]
#[error("{0}")]
pub(super) struct Diverged(pub String);

/// What is wrong with a file that the error itself does not name.
#[derive(Debug, Error)]
#[error("{file}: {error}")]
struct InFile {
    file: String,
    error: ExchangeError,
}

impl Failure {
    /// An error about the content of a file.
    pub fn in_file(file: &Path, error: ExchangeError) -> Self {
        Self::from(InFile { file: file.display().to_string(), error })
    }

    /// Whether a signal asked for it.
    pub fn is_interruption(&self) -> bool {
        self.0.is::<Interrupted>() || matches!(self.train(), Some(TrainError::Interrupted))
    }

    /// Whether this very recipe is to blame, so that others may succeed.
    pub fn is_of_recipe(&self) -> bool {
        use TrainError::{Compile, Limit, Memory, Model, NotFinite, Recipe};
        let train = self.train();
        self.0.is::<Diverged>()
            || matches!(
                train,
                Some(
                    Compile(_)
                        | Limit { .. }
                        | Memory { .. }
                        | Model(_)
                        | NotFinite { .. }
                        | Recipe { .. }
                )
            )
    }

    /// Whether weights are not what was saved, or no numbers.
    pub fn is_of_weights(&self) -> bool {
        matches!(
            self.0.downcast_ref(),
            Some(WeightsError::Changed { .. } | WeightsError::NotFinite { .. })
        )
    }

    /// Whether no such device is there as was asked for.
    pub fn is_no_device(&self) -> bool {
        matches!(self.exec(), Some(ExecError::NoDevice { .. }))
    }

    /// Whether the device is gone, and may be there again when it is opened anew.
    pub fn is_device_lost(&self) -> bool {
        matches!(self.exec(), Some(ExecError::Lost { .. }))
    }

    fn exec(&self) -> Option<&ExecError> {
        let measured = || match self.0.downcast_ref() {
            Some(BenchError::Exec(error)) => Some(error),
            _ => None,
        };
        let trained = || match self.train() {
            Some(TrainError::Exec(error)) => Some(error),
            _ => None,
        };
        self.0.downcast_ref().or_else(measured).or_else(trained)
    }

    fn train(&self) -> Option<&TrainError> {
        self.0.downcast_ref::<TrainError>().or(match self.0.downcast_ref::<RunError>() {
            Some(RunError::Train(error)) => Some(error),
            _ => None,
        })
    }

    /// 2 where what was asked for cannot be, 130 where a signal ended it, 1 where it failed.
    pub fn exit_code(&self) -> ExitCode {
        if self.is_interruption() {
            return ExitCode::from(interrupt::EXIT_CODE);
        }
        let exec = self.exec();
        let usage = matches!(
            self.train(),
            Some(TrainError::Recipe { .. } | TrainError::Override { .. } | TrainError::Model(_))
        ) || matches!(exec, Some(ExecError::NoDevice { .. } | ExecError::NeedsGpu))
            || self.0.downcast_ref().is_some_and(WgslError::is_usage)
            || self.0.is::<Unknown>();
        ExitCode::from(if usage { 2 } else { 1 })
    }
}

impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut message = self.0.to_string();
        write!(f, "{message}")?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            // A transparent error repeats its cause.
            if !message.contains(&text) {
                write!(f, "\n  because: {text}")?;
            }
            message = text;
            source = cause.source();
        }
        Ok(())
    }
}
