//! Floor 2: the ops, one file per family, and the registry that lists them all.

mod activation;
mod binary;
mod conv2d;
mod gemm;
mod matmul;
mod operands;
mod reduce;
mod registry;
mod structural;

pub use activation::{Activate, ActivateGrad};
pub use binary::{Binary, BinaryFunction};
pub use conv2d::{Conv2d, Conv2dInputGrad, Conv2dWeightGrad, ConvGeometry};
pub use matmul::Matmul;
pub use reduce::{SumColumns, SumRows};
pub use registry::{OpEntry, REGISTRY, entries, find};
pub use structural::{Pack, View};
