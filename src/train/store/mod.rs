//! What a run leaves on disk.

pub(super) mod checkpoint;
pub(super) mod exchange;
pub(super) mod files;
mod metrics_files;
pub(super) mod records;
pub(super) mod run_dir;
pub(super) mod weights;
