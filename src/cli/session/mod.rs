//! One session of a training, from its start or a checkpoint to its end or an interruption.

pub(super) mod conclusion;
mod diverged;
pub(super) mod init_from;
pub(super) mod progress;
pub(super) mod recorder;
mod recovery;
pub(super) mod resume;
pub(super) mod start;
pub(super) mod training;
