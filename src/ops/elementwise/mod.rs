//! Ops whose result at a place depends on that place alone, and chains of them in one pass.

pub(super) mod activation;
pub(super) mod binary;
pub(super) mod cast;
pub(super) mod chain;
pub(super) mod dropout;
pub(super) mod scale;

pub use activation::{Activate, ActivateGrad};
pub use binary::Binary;
pub use cast::Cast;
pub use chain::ElementwiseChain;
pub use dropout::Dropout;
pub use scale::Scale;
