//! Checkpoints: everything that decides the rest of a run, in one file.

pub(in crate::train) mod contents;
pub(in crate::train) mod file;
pub(in crate::train) mod folder;
