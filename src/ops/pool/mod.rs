//! Pooling over windows of images `[n, h, w, c]`, and its gradients.

mod adaptive_average;
mod average;
mod geometry;
mod global_average;
mod max;

pub use adaptive_average::{AdaptiveAvgPool2d, AdaptiveAvgPool2dGrad};
pub use average::{AvgPool2d, AvgPool2dGrad};
pub use geometry::PoolGeometry;
pub(super) use geometry::test_geometries;
pub use global_average::{GlobalAvgPool2d, GlobalAvgPool2dGrad};
pub use max::{MaxPool2d, MaxPool2dGrad};
pub(super) use max::{first_maxima, for_each_tap, keep_larger};
