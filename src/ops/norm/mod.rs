//! Normalization, by statistics of a batch and over neighboring channels.

pub(super) mod batch_norm;
pub(super) mod local_response_norm;

pub use batch_norm::{
    BatchNorm, BatchNormGrad, BatchNormInference, BatchNormInferenceGrad, BatchNormMaxPool2d,
    NormTail, NormalizedProduct, ProductStatistics,
};
pub use local_response_norm::{LocalResponseNorm, LocalResponseNormGrad};
