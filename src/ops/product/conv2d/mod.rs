//! Two-dimensional convolution, its input gradient and its weight gradient.
//!
//! The three are bilinear in their two tensors, and each one's gradient is made of the other two,
//! so that gradients of any order exist.

mod cases;
mod cpu;
mod depthwise;
mod few_channels;
mod forward;
mod geometry;
mod gpu;
mod input_grad;
mod phases;
mod weight_grad;
mod winograd;

pub use forward::Conv2d;
pub use geometry::ConvGeometry;
pub use input_grad::Conv2dInputGrad;
pub use weight_grad::Conv2dWeightGrad;
