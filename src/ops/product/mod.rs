//! Products: of matrices, and convolutions, which differ only in how their rows are found.

pub(super) mod conv2d;
pub(super) mod gemm;
pub(super) mod matmul;
pub(super) mod tail;

pub use conv2d::{Conv2d, Conv2dInputGrad, Conv2dWeightGrad, ConvGeometry};
pub use matmul::Matmul;
