//! What can be seen of a model: how it does on a data set, how its weights are distributed, what it
//! is shown.

pub(super) mod evaluator;
pub(super) mod histograms;
pub(super) mod preview;
