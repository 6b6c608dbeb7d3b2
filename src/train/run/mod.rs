//! What happens from the first step of a run to the last one.

pub(super) mod callbacks;
pub(super) mod checkpoint;
mod checkpointing;
pub(super) mod epoch_result;
mod every_split;
pub(super) mod first_bad;
pub(super) mod hook;
pub(super) mod init_from;
pub(super) mod look;
pub(super) mod measured;
pub(super) mod median_rule;
pub(super) mod observer;
pub(super) mod position;
pub(super) mod rate_range;
pub(super) mod single_steps;
pub(super) mod stop;
pub(super) mod trainer;
pub(super) mod training_loop;
