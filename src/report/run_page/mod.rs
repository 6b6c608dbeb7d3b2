//! The page of one run: a file for each of its parts.

mod classes;
mod distribution;
mod features;
mod files;
mod headline;
mod inside;
mod kernels;
mod layers;
mod predictions;
mod report;
mod reproduction;
mod run;
mod shots;
mod sources;
mod targets;
mod training;

pub use report::write_run_report;
pub use sources::Sources;
