//! Where the elements of one tensor lie here and in PyTorch.

use super::error::ExchangeError;
use crate::tensor::{HostTensor, Shape, permuted};

/// A tensor's elements seen as an array of `dims` in our order, whose axes PyTorch has in the order
/// `axes`; neither side need have the array's shape.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::train) struct Layout {
    ours: Shape,
    theirs: Shape,
    dims: Vec<usize>,
    axes: Vec<usize>,
}

impl Layout {
    /// The same on both sides.
    pub fn same(shape: &Shape) -> Self {
        let dims = shape.dims().to_vec();
        let axes = (0..dims.len()).collect();
        Self { ours: shape.clone(), theirs: shape.clone(), dims, axes }
    }

    /// Axes in another order: `[kh, kw, in, out]` to `[out, in, kh, kw]` by `[3, 2, 0, 1]`.
    pub fn permuted(shape: &Shape, axes: &[usize]) -> Self {
        let dims = shape.dims().to_vec();
        let theirs = axes.iter().map(|&axis| dims[axis]).collect::<Vec<_>>();
        Self { ours: shape.clone(), theirs: theirs.into(), dims, axes: axes.to_vec() }
    }

    /// Weights `[h w c, out]` of a dense layer behind a flattened image, to `[out, c h w]`.
    pub fn dense_of_image(shape: &Shape, [h, w, c]: [usize; 3], out: usize) -> Self {
        let (dims, axes) = (vec![h, w, c, out], vec![3, 2, 0, 1]);
        Self { ours: shape.clone(), theirs: [out, h * w * c].into(), dims, axes }
    }

    /// One number per feature of a flattened image, `[h w c]`, to `[c h w]`.
    pub fn vector_of_image(shape: &Shape, [h, w, c]: [usize; 3]) -> Self {
        let (dims, axes) = (vec![h, w, c], vec![2, 0, 1]);
        Self { ours: shape.clone(), theirs: shape.clone(), dims, axes }
    }

    pub fn torch_shape(&self) -> Shape {
        self.theirs.clone()
    }

    pub fn exported(&self, ours: &HostTensor) -> Result<HostTensor, ExchangeError> {
        let values = permuted(ours.f32s(), &self.dims, &self.axes);
        Ok(HostTensor::from_f32(self.theirs.clone(), &values)?)
    }

    pub fn imported(&self, theirs: &HostTensor) -> Result<HostTensor, ExchangeError> {
        let dims: Vec<usize> = self.axes.iter().map(|&axis| self.dims[axis]).collect();
        let mut axes = vec![0; self.axes.len()];
        for (position, &axis) in self.axes.iter().enumerate() {
            axes[axis] = position;
        }
        let values = permuted(theirs.f32s(), &dims, &axes);
        Ok(HostTensor::from_f32(self.ours.clone(), &values)?)
    }
}
