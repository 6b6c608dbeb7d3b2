//! Ops that only say where data lie, or copy them elsewhere.

pub(super) mod concat;
pub(super) mod structural;

pub use concat::{Concat, PadZeros, Slice};
pub use structural::{Pack, View};
