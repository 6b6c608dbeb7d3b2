//! Pooling over windows of images `[n, h, w, c]`, and its gradients.

mod adaptive_average;
mod average;
mod average_host;
mod geometry;
mod global_average;
mod max;
mod max_host;

pub use adaptive_average::{AdaptiveAvgPool2d, AdaptiveAvgPool2dGrad};
pub use average::{AvgPool2d, AvgPool2dGrad};
pub use geometry::PoolGeometry;
pub(super) use geometry::test_geometries;
pub use global_average::{GlobalAvgPool2d, GlobalAvgPool2dGrad};
pub(super) use max::first_maxima;
pub use max::{MaxPool2d, MaxPool2dGrad};
pub(super) use max_host::{for_each_tap, keep_larger};

use super::registry::OpEntry;

pub(super) const ENTRIES: &[OpEntry] = &[
    OpEntry::new::<MaxPool2d>("max_pool2d", max::cases),
    OpEntry::new::<MaxPool2dGrad>("max_pool2d_grad", max::grad_cases),
    OpEntry::new::<AvgPool2d>("avg_pool2d", average::cases),
    OpEntry::new::<AvgPool2dGrad>("avg_pool2d_grad", average::grad_cases),
    OpEntry::new::<AdaptiveAvgPool2d>("adaptive_avg_pool2d", adaptive_average::cases),
    OpEntry::new::<AdaptiveAvgPool2dGrad>("adaptive_avg_pool2d_grad", adaptive_average::grad_cases),
    OpEntry::new::<GlobalAvgPool2d>("global_avg_pool2d", global_average::cases),
    OpEntry::new::<GlobalAvgPool2dGrad>("global_avg_pool2d_grad", global_average::grad_cases),
];
