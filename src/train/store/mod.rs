//! What stays on disk: run directories, their records, weights.

pub(super) mod exchange;
pub(super) mod files;
pub(super) mod formats;
mod metrics_files;
pub(super) mod records;
pub(super) mod run_dir;
pub(super) mod tensorboard;
pub(super) mod weights;
