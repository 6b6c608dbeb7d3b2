//! verigrad: a GPU training engine on wgpu compute shaders, in which every kernel is checked, on
//! your own device, against a reference.
//!
//! The modules are floors: each uses only its own floor and lower ones. ARCHITECTURE.md tells the
//! life of a training step.

pub mod analysis;
pub mod bench;
pub mod cli;
pub mod compile;
pub mod data;
pub mod error;
pub mod exec;
pub mod graph;
pub mod nn;
pub mod ops;
pub mod report;
pub mod tensor;
pub mod train;
pub mod tune;
pub mod verify;
