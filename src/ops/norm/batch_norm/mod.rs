//! Batch normalization of any tensor whose last dimension is the channels, and its gradients.
//!
//! Source: Ioffe and Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing
//! Internal Covariate Shift", 2015.

mod channels;
mod cpu;
mod forward;
mod gradient;
mod inference;
mod inference_gradient;
mod max_pool;
mod product;
mod tail;

pub use forward::BatchNorm;
pub use gradient::BatchNormGrad;
pub use inference::BatchNormInference;
pub use inference_gradient::BatchNormInferenceGrad;
pub use max_pool::BatchNormMaxPool2d;
pub use product::{NormalizedProduct, ProductStatistics};
pub use tail::NormTail;
