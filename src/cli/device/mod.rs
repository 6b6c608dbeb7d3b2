//! The device that a command computes on: opened, asked for its memory, tuned.

pub(super) mod memory;
pub(super) mod open;
pub(super) mod options;
pub(super) mod tuning;
