//! The commands, a file for each.

pub(super) mod analyze;
pub(super) mod bench;
pub(super) mod compare;
pub(super) mod completions;
pub(super) mod cross_validate;
pub(super) mod data;
#[cfg(feature = "fetch")]
mod data_get;
pub(super) mod devices;
pub(super) mod doctor;
pub(super) mod ensemble;
pub(super) mod evaluate;
mod export_onnx;
pub(super) mod find_batch;
pub(super) mod find_lr;
pub(super) mod inspect;
pub(super) mod man;
pub(super) mod predict;
pub(super) mod recipes;
pub(super) mod report;
pub(super) mod summary;
pub(super) mod sweep;
pub(super) mod train;
pub(super) mod tune;
pub(super) mod watch;
pub(super) mod weights;
