//! What the device does in a step: the graphs of training and evaluation, and the programs that they
//! become.

pub(super) mod batch;
pub(super) mod compiled;
pub(super) mod evaluation;
pub(super) mod fed;
pub(super) mod feed;
pub(super) mod fitting;
pub(super) mod gradients;
pub(super) mod histograms;
pub(super) mod limits;
pub(super) mod loss_scaling;
pub(super) mod memory;
pub(super) mod memory_plan;
pub(super) mod metrics;
pub(super) mod model;
pub(super) mod names;
pub(super) mod pass;
pub(super) mod pending_weights;
pub(super) mod prediction;
pub(super) mod programs;
mod row_feed;
pub(super) mod training;
