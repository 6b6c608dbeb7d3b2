//! How a batch comes to be: examples by index, augmented, mixed.

pub(super) mod augment;
pub(super) mod gather;
mod gather_rows;
pub(super) mod mix;

pub use augment::{Augment, AugmentBatch, FillMode, Flip, PaddingMode};
pub use gather::{GatherBatch, NO_EXAMPLE};
pub use gather_rows::GatherRows;
pub use mix::MixBatch;
