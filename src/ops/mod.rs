//! Floor 2: the ops, a folder per family, and the registry that lists them all.
//!
//! An op is a file, or a folder whose `gpu.rs` holds its kernels, `cpu.rs` its host code and
//! `cases.rs` the cases on which it is tested. Its WGSL lies in the folder of the same family under
//! `shaders/`.

mod analysis;
mod batch;
mod elementwise;
mod kit;
mod layout;
mod loss;
mod norm;
mod pool;
mod product;
mod registry;
mod resize;
mod rows;
mod update;

pub use analysis::*;
pub use batch::*;
pub use elementwise::*;
pub use kit::{BinaryFunction, IGNORED_LABEL};
pub use layout::*;
pub use loss::*;
pub use norm::*;
pub use pool::{
    AdaptiveAvgPool2d, AdaptiveAvgPool2dGrad, AvgPool2d, AvgPool2dGrad, GlobalAvgPool2d,
    GlobalAvgPool2dGrad, MaxPool2d, MaxPool2dGrad, PoolGeometry,
};
pub use product::*;
pub use registry::{OpEntry, REGISTRY, entries, find};
pub use resize::*;
pub use rows::*;
pub use update::*;
