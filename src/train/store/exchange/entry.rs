//! One tensor of a model, here and in PyTorch.

use super::layout::Layout;

use crate::tensor::Shape;

/// One tensor of a model, here and in PyTorch.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub ours: String,
    pub theirs: String,
    pub shape: Shape,
    pub layout: Layout,
}
