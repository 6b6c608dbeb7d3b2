//! Floor 6: what a training run does and what it leaves on disk.

mod files;
mod records;
mod run_dir;
mod weights;

pub use files::FileError;
pub(crate) use files::write_atomically;
pub use records::{EpochRecord, StepRecord};
pub use run_dir::{RunDir, RunDirError};
pub use weights::{WeightsError, load_weights, save_weights, sha256_of_weights};
