//! Who watches a run from outside.

use super::epoch_result::{EpochResult, Progress};
use crate::tensor::HostTensor;
use crate::train::ObserverError;
use crate::train::run::checkpoint::contents::Checkpoint;

/// Listens to a run.
pub trait Observer {
    /// Called between submissions.
    fn progress(&mut self, progress: &Progress);

    /// Called when the steps of an epoch are done and it is to be evaluated.
    fn evaluating(&mut self) {}

    /// Called after each epoch, with the weights.
    ///
    /// # Errors
    /// Ends the run.
    fn epoch(
        &mut self,
        result: &EpochResult,
        weights: &[(String, HostTensor)],
    ) -> Result<(), ObserverError>;

    /// Called with each checkpoint, where [`crate::train::Trainer::make_checkpoints`] asked for them.
    ///
    /// # Errors
    /// Ends the run.
    fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), ObserverError> {
        let _ = checkpoint;
        Ok(())
    }
}
