//! Floor 2: the ops, one file per family, and the registry that lists them all.

mod activation;
mod binary;
mod conv2d;
mod dropout;
mod lanes;
mod matmul;
mod operands;
mod pool;
mod reduce;
mod registry;
mod structural;

pub use activation::{Activate, ActivateGrad};
pub use binary::{Binary, BinaryFunction};
pub use conv2d::{Conv2d, Conv2dInputGrad, Conv2dWeightGrad, ConvGeometry};
pub use dropout::Dropout;
pub use matmul::Matmul;
pub use pool::{
    AvgPool2d, AvgPool2dGrad, GlobalAvgPool2d, GlobalAvgPool2dGrad, MaxPool2d, MaxPool2dGrad,
    PoolGeometry,
};
pub use reduce::{SumColumns, SumRows};
pub use registry::{OpEntry, REGISTRY, entries, find};
pub use structural::{Pack, View};
