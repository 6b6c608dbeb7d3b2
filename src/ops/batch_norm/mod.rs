//! Batch normalization of any tensor whose last dimension is the channels, and its gradients.
//!
//! Source: Ioffe and Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing
//! Internal Covariate Shift", 2015.

mod channels;
mod forward;
mod gradient;
mod host;
mod inference;
mod inference_gradient;
mod max_pool;
mod product;
mod running_average;
mod tail;

pub use forward::BatchNorm;
pub use gradient::BatchNormGrad;
pub use inference::BatchNormInference;
pub use inference_gradient::BatchNormInferenceGrad;
pub use max_pool::BatchNormMaxPool2d;
pub use product::{NormalizedProduct, ProductStatistics};
pub use running_average::RunningAverage;
pub(super) use running_average::cases as running_average_cases;
pub use tail::NormTail;

use super::registry::OpEntry;

pub(super) const ENTRIES: &[OpEntry] = &[
    OpEntry::new::<BatchNorm>("batch_norm", forward::cases),
    OpEntry::new::<BatchNormGrad>("batch_norm_grad", gradient::cases),
    OpEntry::new::<BatchNormInference>("batch_norm_inference", inference::cases),
    OpEntry::new::<BatchNormInferenceGrad>("batch_norm_inference_grad", inference_gradient::cases),
    OpEntry::new::<BatchNormMaxPool2d>("batch_norm_max_pool2d", max_pool::cases),
    OpEntry::new::<ProductStatistics>("product_statistics", product::cases),
    OpEntry::new::<RunningAverage>("running_average", running_average::cases),
];
