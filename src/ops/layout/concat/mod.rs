//! Tensors side by side along one dimension, parts of them, and zeros around them: each is the
//! gradient of another.

mod join;
mod pad;
mod runs;
mod slice;

pub use join::Concat;
pub use pad::PadZeros;
pub use slice::Slice;
