//! Floor 3: the compiler. A [`Graph`](crate::graph::Graph) goes in, a [`Program`] comes out: plain
//! data that a CPU, a GPU or a page in a browser can replay.
//!
//! The passes, in order: [`backward`] adds gradients (called by whoever builds the graph), then
//! [`compile`] removes dead nodes, moves derivatives forward, fuses epilogues, joins element-wise
//! ops, resolves where values lie, orders the nodes, plans memory and picks a lowering for each
//! node.

mod autodiff;
mod barriers;
mod chains;
mod check;
mod checks;
mod derivatives;
mod error;
mod flow;
mod fuse;
mod kernel_files;
mod losses;
mod memory;
mod norms;
mod picks;
mod program;
mod schedule;
mod storage;
mod sums;
mod textures;
mod translate;

pub use autodiff::backward;
pub use barriers::Launches;
pub use check::{KernelError, check_kernel};
pub use checks::{AuditCounts, Checks};
pub use error::CompileError;
pub use kernel_files::{KernelFile, kernel_files, kernel_index};
pub use picks::{Pick, Picks, fingerprint};
pub use program::{
    BoundRegion, Buffer, Dispatch, KernelText, OperandAt, Program, Region, Role, Step, TextureRead,
};
pub use textures::place_in_textures;
pub use translate::{Choice, compile, compile_unfused, runnable};
