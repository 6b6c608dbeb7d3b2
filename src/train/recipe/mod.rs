//! What decides a run: the recipe, a file for each section.

pub(super) mod augment;
pub(super) mod blame;
pub(super) mod builtin;
pub(super) mod callbacks;
pub(super) mod check;
pub(super) mod checkpoint;
pub(super) mod class_weights;
pub(super) mod ema;
pub(super) mod histograms;
pub(super) mod json_schema;
pub(super) mod log;
pub(super) mod loss;
pub(super) mod loss_reduction;
pub(super) mod monitor;
pub(super) mod optimizer;
pub(super) mod overrides;
pub(super) mod reading;
pub(super) mod sampler;
pub(super) mod schedule;
pub(super) mod schema;
