//! Images `[n, h, w, c]` in other sizes.

mod bilinear;

pub use bilinear::{ResizeBilinear, ResizeBilinearGrad};
