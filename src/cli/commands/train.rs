//! `verigrad train`: runs a recipe and leaves a run directory.

use std::process::ExitCode;

use crate::cli::failure::Failure;
use crate::cli::interrupt;
use crate::cli::session::start::{TrainArgs, start};

/// Trains, or goes on with a run.
pub(in crate::cli) fn run(args: &TrainArgs) -> Result<ExitCode, Failure> {
    let ended = start(args)?;
    Ok(if ended.interrupted { ExitCode::from(interrupt::EXIT_CODE) } else { ExitCode::SUCCESS })
}
