//! The states of callbacks in checkpoints.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::train::TrainError;

/// The state of a callback that a checkpoint kept.
pub(in crate::train) fn restored<T: DeserializeOwned>(
    callback: &str,
    state: &Value,
) -> Result<T, TrainError> {
    serde_json::from_value(state.clone()).map_err(|_| {
        let message = format!("the checkpoint's state of {callback} is not one of this version");
        TrainError::Weights(message)
    })
}
