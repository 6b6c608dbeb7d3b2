//! Two-dimensional convolution, its input gradient and its weight gradient.
//!
//! The three are bilinear in their two tensors, and each one's gradient is made of the other two,
//! so that gradients of any order exist.

mod cases;
mod depthwise;
mod few_channels;
mod forward;
mod geometry;
mod host;
mod input_grad;
mod lowering;
mod phases;
mod weight_grad;
mod winograd;

pub use forward::Conv2d;
pub use geometry::ConvGeometry;
pub use input_grad::Conv2dInputGrad;
pub use weight_grad::Conv2dWeightGrad;

use super::registry::OpEntry;

pub(super) const ENTRIES: &[OpEntry] = &[
    OpEntry::new::<Conv2d>("conv2d", cases::forward),
    OpEntry::new::<Conv2dInputGrad>("conv2d_input_grad", cases::input_grad),
    OpEntry::new::<Conv2dWeightGrad>("conv2d_weight_grad", cases::weight_grad),
];
