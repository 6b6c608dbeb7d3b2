//! verigrad: a GPU training engine on wgpu compute shaders, in which every kernel is checked, on
//! your own device, against a reference.
//!
//! The modules are floors: each uses only its own floor and lower ones. ARCHITECTURE.md tells the
//! life of a training step.
//!
//! Two features, both on by default, are what a program that only trains does without: `report`
//! makes pages, pictures and tables ([`report`]), and `cli`, which implies it, is the program
//! `verigrad` ([`cli`]). With `default-features = false`, neither is built.

pub mod analysis;
pub mod bench;
#[cfg(feature = "cli")]
pub mod cli;
pub mod compile;
pub mod data;
pub mod error;
pub mod exec;
pub mod graph;
mod input;
pub mod nn;
pub mod onnx;
pub mod ops;
#[cfg(feature = "report")]
pub mod report;
pub mod tensor;
pub mod train;
pub mod tune;
pub mod verify;
