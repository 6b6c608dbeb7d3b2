//! One tensor of a model, here and in PyTorch.

use super::layout::Layout;

use super::error::ExchangeError;
use super::weight_file::FileLayout;
use crate::tensor::{HostTensor, Shape};

/// One tensor of a model, here and in PyTorch.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub ours: String,
    pub theirs: String,
    pub shape: Shape,
    pub layout: Layout,
}

impl Entry {
    /// The tensor as we have it, from one of a side's layout.
    pub fn imported(
        &self,
        layout: FileLayout,
        tensor: &HostTensor,
    ) -> Result<HostTensor, ExchangeError> {
        match layout {
            FileLayout::Torch => self.layout.imported(tensor),
            FileLayout::Own | FileLayout::Keras => Ok(tensor.clone()),
        }
    }
}
