//! What a model achieves: passes over data sets, and predictions.

pub(super) mod evaluator;
pub(super) mod every_split;
pub(super) mod predictions;
pub(super) mod preview;
