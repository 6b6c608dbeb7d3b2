//! Names of the states through which the host and the programs of a run speak with each other.

/// Name of the source that counts completed steps.
pub(in crate::train) const STEP: &str = "step";
/// Name of the source of the parameters that training changes.
pub(in crate::train) const PARAMETERS: &str = "parameters";
/// Name of the source of their moving average.
pub(in crate::train) const AVERAGE: &str = "ema/parameters";
/// Name of the source of all running statistics.
pub(in crate::train) const RUNNING_STATISTICS: &str = "running_statistics";
/// Name of the device state `[1]` that every step multiplies its learning rate by.
pub(in crate::train) const RATE_FACTOR: &str = "rate_factor";
/// Name of the ring of losses, one per step of an epoch.
pub(in crate::train) const LOSS_LOG: &str = "train/loss_log";
/// Name of the ring of learning rates, one per step of an epoch.
pub(in crate::train) const RATE_LOG: &str = "train/rate_log";
/// Name of the source that holds the numbers by which each pixel is normalized; see
/// [`crate::ops::AugmentBatch`].
pub(in crate::train) const STATISTICS: &str = "statistics";
/// Name of the evaluation of the training set, after the training.
pub(in crate::train) const TRAIN_EVALUATION: &str = "train_evaluation";
