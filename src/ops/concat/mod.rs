//! Tensors side by side along one dimension, parts of them, and zeros around them: each is the
//! gradient of another.

mod join;
mod pad;
mod runs;
mod slice;

pub use join::Concat;
pub use pad::PadZeros;
pub use slice::Slice;

use super::registry::OpEntry;

pub(super) const ENTRIES: &[OpEntry] = &[
    OpEntry::new::<Concat>("concat", join::cases),
    OpEntry::new::<Slice>("slice", slice::cases),
    OpEntry::new::<PadZeros>("pad_zeros", pad::cases),
];
