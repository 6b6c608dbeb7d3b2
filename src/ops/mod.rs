//! Floor 2: the ops, one file per family, and the registry that lists them all.

mod activation;
mod binary;
mod conv2d;
mod gather;
mod learning_rate;
mod matmul;
mod operands;
mod optimiser;
mod reduce;
mod registry;
mod state;
mod structural;

pub use activation::{Activate, ActivateGrad};
pub use binary::{Binary, BinaryFunction};
pub use conv2d::{Conv2d, Conv2dInputGrad, Conv2dWeightGrad, ConvGeometry};
pub use gather::GatherBatch;
pub use learning_rate::{LearningRate, Schedule};
pub use matmul::Matmul;
pub use optimiser::{Adam, ClipByNorm, ClipByValue, GlobalNorm, RmsProp, Sgd};
pub use reduce::{SumColumns, SumRows};
pub use registry::{OpEntry, REGISTRY, entries, find};
pub use state::{Accumulate, Advance, Fill, Record};
pub use structural::{Pack, View};
