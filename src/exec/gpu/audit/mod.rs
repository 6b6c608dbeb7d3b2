//! Which kernels are compiled without wgpu's checks of indices, loops and divisors.
//!
//! A kernel is proved for a program if two things hold. Its code shows that data decide no index, no
//! divisor and no turn of a loop ([`analysis`]): then all of these are the same in every run. And for
//! the workgroups and sizes of every dispatch that runs it, its audit form ([`form`]) has run on this
//! device and found all of them inside ([`run`]).

mod analysis;
mod auditor;
mod bounds;
mod form;
mod function;
mod identity;
mod run;
#[cfg(test)]
mod tests;
mod types;

pub(super) use auditor::{Auditor, Proof};
