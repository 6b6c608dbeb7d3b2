//! Floor 1: the vocabulary. A [`Graph`] of [`Value`]s, the [`Op`] trait, [`Lowering`]: how an op
//! runs on a GPU, as plain data, and [`HostKernel`]: how it runs fast on the CPU.

mod accesses;
mod case;
mod device_model;
mod epilogue;
mod estimate;
mod fill;
mod half;
mod host_io;
mod host_kernel;
mod kernel;
mod lowerings;
mod network;
mod op;
mod op_def;
mod parts;
mod signature;
pub mod texels;
mod vjp;
mod work;

pub use case::{Case, TestInput};
pub use device_model::{DeviceModel, Measurements};
pub use epilogue::{Activation, Epilogue};
pub use fill::Fill;
pub use half::{HalfForm, widened};
pub use host_io::{HostInput, HostIo, HostOutput, Inputs, Outputs, run_on_words};
pub use host_kernel::HostKernel;
pub use kernel::{Access, Binding, Caps, Kernel, Lowering, Operand, Part, grid};
pub use network::{Graph, Node, NodeId, Origin, Value};
pub use op::{Op, Structure};
pub use op_def::OpDef;
pub use parts::{Placed, fit_bindings, one_after_another, runs_of_rows};
pub use signature::{Cost, Signature};
pub use vjp::Vjp;
pub use work::Work;
