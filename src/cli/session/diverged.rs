//! A training whose loss is no number any more: what it had is kept, and the first bad number is named.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::init_from::InitArgs;
use crate::cli::failure::{Diverged, Failure};
use crate::cli::output;
use crate::train::{Recipe, RunDir, RunError, StepLoss, StepRecord, TrainError, Trainer};

/// Where the session's run began.
#[derive(Clone, Copy)]
pub(super) enum Beginning<'a> {
    /// With initial weights, or those of `--init-from`, for classes.
    Initial(&'a InitArgs, &'a [String]),
    /// In an earlier session.
    Earlier,
}

/// The failure with which a training ends: where its loss is no number any more, the steps of the epoch are
/// kept, and the failure tells where the first bad number came from.
pub(super) fn explain(
    trainer: &mut Trainer<'_>,
    (run_dir, recipe): (&RunDir, &Recipe),
    beginning: Beginning<'_>,
    error: RunError,
    interrupted: &Arc<AtomicBool>,
) -> Failure {
    let RunError::Train(TrainError::NotFinite { step, .. }) = &error else { return error.into() };
    if let Err(failure) = keep_steps(trainer, run_dir, *step) {
        output::note(format_args!("warning: the last steps are not kept: {failure}"));
    }
    output::note(format_args!(
        "the loss is no number at step {step}: steps before it are repeated, to find the first bad number; \
         Ctrl-C leaves that out"
    ));
    let begin = |trainer: &mut Trainer<'_>, most: u64| match (
        run_dir.checkpoints().load_until(most),
        beginning,
    ) {
        (Ok(Some(checkpoint)), _) => trainer.restore(&checkpoint),
        (_, Beginning::Initial(init, classes)) => {
            trainer.start_over()?;
            let taken = init.take(trainer, recipe, classes);
            taken.map(drop).map_err(|failure| TrainError::Weights(failure.to_string()))
        }
        (_, Beginning::Earlier) => Err(TrainError::Interrupted),
    };
    let found = match trainer.first_bad(*step, &begin, interrupted) {
        Ok(Some(bad)) => bad.to_string(),
        Ok(None) => {
            "repeated, all numbers are finite: this device does not give the same bits each time; \
                     check it with `verigrad doctor`"
                .to_owned()
        }
        Err(TrainError::Interrupted) => return error.into(),
        Err(other) => format!("where the first bad number came from is not known: {other}"),
    };
    Diverged(format!("{error}\n  {found}")).into()
}

/// Appends the steps of the epoch up to `last` to those that the run has on the disk.
fn keep_steps(trainer: &mut Trainer<'_>, run_dir: &RunDir, last: u64) -> Result<(), Failure> {
    let steps = trainer.steps_of_epoch()?;
    let mut records: Vec<StepRecord> = steps.iter().map(StepLoss::record).collect();
    records.retain(|record| record.step <= last);
    Ok(run_dir.append_steps(&records)?)
}
