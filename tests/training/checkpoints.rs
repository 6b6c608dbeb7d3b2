//! An observer that keeps the checkpoints of a run.

use verigrad::tensor::HostTensor;
use verigrad::train::{Checkpoint, EpochResult, Observer, ObserverError, Progress};

/// The checkpoints so far, in order.
#[derive(Default)]
pub struct Checkpoints(pub Vec<Checkpoint>);

impl Observer for Checkpoints {
    fn progress(&mut self, _: &Progress) {}

    fn epoch(&mut self, _: &EpochResult, _: &[(String, HostTensor)]) -> Result<(), ObserverError> {
        Ok(())
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), ObserverError> {
        self.0.push(checkpoint.clone());
        Ok(())
    }
}
