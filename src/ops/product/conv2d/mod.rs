//! Two-dimensional convolution, its input gradient and its weight gradient.
//!
//! The three are bilinear in their two tensors, and each one's gradient is made of the other two,
//! so that gradients of any order exist.

mod cases;
mod cpu;
mod depthwise;
mod few_channels;
mod forward;
mod geometry;
mod gpu;
mod input_grad;
mod padded;
mod phases;
mod sampled;
mod weight_grad;
mod windows;
mod winograd;

pub use geometry::ConvGeometry;

use geometry::{Sizes, image};
use serde::{Deserialize, Serialize};

use super::tail::ProductTail;
use crate::error::ShapeError;
use crate::graph::{Activation, OpDef};
use crate::ops::kit::operands;
use crate::tensor::TensorType;

/// `y[n, oy, ox, oc] = f(sum_{ky, kx, c} x[n, iy, ix, c] w[ky, kx, c, oc] + bias[oc] + residual)`
/// with `iy = oy stride + ky dilation - top`, `ix` likewise; pixels of the padding are zero, and `c`
/// runs over the channels of the group of `oc`.
///
/// Inputs: `x` `[n, h, w, c]`, `w` `[kh, kw, c / groups, oc]`, then `bias` `[oc]` when `bias` is
/// set, and `residual` of the shape of `y` when `residual` is set. Output: `[n, oh, ow, oc]`. A cross-correlation, as in every deep learning library.
///
/// Kernels may multiply weights by the zeros of the padding: a non-finite weight then also reaches
/// the windows that meet the padding with its tap. Host kernels may compute neighboring outputs
/// together: what is not finite in one then reaches the others.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Conv2d {
    /// Stride, padding, dilation and groups.
    pub geometry: ConvGeometry,
    /// A third input `[oc]` is added.
    pub bias: bool,
    /// A further input of the shape of the output is added.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub residual: bool,
    /// Function applied to the sum.
    pub activation: Activation,
}

impl Conv2d {
    /// A convolution without bias and activation.
    pub fn new(geometry: ConvGeometry) -> Self {
        Self { geometry, ..Self::default() }
    }

    fn sizes(&self, inputs: &[TensorType]) -> Result<Sizes, ShapeError> {
        let [x, weight] = self.tail().factors(Self::NAME, inputs)?;
        let x_dims = image(Self::NAME, "x", x)?;
        let [kh, kw, group_c, oc] = image(Self::NAME, "weight", weight)?;
        let sizes = Sizes::new(Self::NAME, &self.geometry, x_dims, [kh, kw], oc)?;
        if group_c != sizes.group_c {
            return Err(ShapeError::new(
                Self::NAME,
                format!(
                    "weight {} expects {group_c} input channels per group, x {} has {} in {} \
                     groups",
                    weight.shape, x.shape, sizes.c, self.geometry.groups
                ),
            ));
        }
        self.tail().check(Self::NAME, inputs, &sizes.y())?;
        Ok(sizes)
    }

    fn tail(&self) -> ProductTail {
        let &Self { bias, residual, activation, .. } = self;
        ProductTail { bias, residual, activation, derivative: None }
    }
}

/// `dx[n, iy, ix, c] = sum_{ky, kx, oc} dy[n, oy, ox, oc] w[ky, kx, c, oc]` over all `oy`, `ox`
/// with `iy = oy stride + ky dilation - top`, `ix` likewise; `oc` runs over the group of `c`. Then,
/// in the same pass, `residual` is added, and the sum is multiplied by the `derivative` of the
/// function that gave `value`.
///
/// Inputs: `dy` `[n, oh, ow, oc]`, `w` `[kh, kw, c / groups, oc]`, then `residual` and `value`
/// `[n, h, w, c]`, those that are set. Output: `[n, h, w, c]`.
///
/// Kernels may multiply weights by zeros in place of windows that do not exist, and, where the stride
/// is above 1, `dy` by zeros in place of taps that the kernel does not have: what is not finite then
/// also reaches, as NaN, neighboring pixels whose windows or taps are such.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv2dInputGrad {
    /// Stride, padding, dilation and groups of the convolution.
    pub geometry: ConvGeometry,
    /// Rows and columns of the convolution's input.
    pub input: [usize; 2],
    /// A further input of the shape of the output is added.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub residual: bool,
    /// The function whose value is the last input; such an op has no gradient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub derivative: Option<Activation>,
}

impl Conv2dInputGrad {
    /// The gradient with respect to an input of `input` rows and columns.
    pub fn new(geometry: ConvGeometry, input: [usize; 2]) -> Self {
        Self { geometry, input, residual: false, derivative: None }
    }

    fn tail(&self) -> ProductTail {
        let &Self { residual, derivative, .. } = self;
        ProductTail { residual, derivative, ..ProductTail::default() }
    }

    fn sizes(&self, inputs: &[TensorType]) -> Result<Sizes, ShapeError> {
        let [dy, weight] = self.tail().factors(Self::NAME, inputs)?;
        let dy_dims = image(Self::NAME, "dy", dy)?;
        let [kh, kw, group_c, oc] = image(Self::NAME, "weight", weight)?;
        let x_dims = [dy_dims[0], self.input[0], self.input[1], group_c * self.geometry.groups];
        let sizes = Sizes::new(Self::NAME, &self.geometry, x_dims, [kh, kw], oc)?;
        if dy_dims != sizes.y() {
            return Err(ShapeError::new(
                Self::NAME,
                format!(
                    "dy must have the shape of the output, {:?} for input {x_dims:?} and weight \
                     {}, it has {}",
                    sizes.y(),
                    weight.shape,
                    dy.shape
                ),
            ));
        }
        self.tail().check(Self::NAME, inputs, &sizes.x())?;
        Ok(sizes)
    }
}

/// `dw[ky, kx, c, oc] = sum_{n, oy, ox} x[n, iy, ix, c] dy[n, oy, ox, oc]` with
/// `iy = oy stride + ky dilation - top`, `ix` likewise; pixels of the padding are zero, and `c`
/// counts the channels of the group of `oc`.
///
/// Inputs: `x` `[n, h, w, c]`, `dy` `[n, oh, ow, oc]`. Output: `[kh, kw, c / groups, oc]`.
///
/// Kernels may multiply `dy` by the zeros of the padding: a non-finite gradient then also reaches
/// the taps that meet the padding with it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv2dWeightGrad {
    /// Stride, padding, dilation and groups of the convolution.
    pub geometry: ConvGeometry,
    /// Rows and columns of the convolution's kernel.
    pub kernel: [usize; 2],
}

impl Conv2dWeightGrad {
    fn sizes(&self, inputs: &[TensorType]) -> Result<Sizes, ShapeError> {
        let [x, dy] = operands(Self::NAME, inputs)?;
        let x_dims = image(Self::NAME, "x", x)?;
        let dy_dims = image(Self::NAME, "dy", dy)?;
        let sizes = Sizes::new(Self::NAME, &self.geometry, x_dims, self.kernel, dy_dims[3])?;
        if dy_dims != sizes.y() {
            return Err(ShapeError::new(
                Self::NAME,
                format!(
                    "dy must have the shape of the output, {:?} for x {} and kernel {:?}, it has \
                     {}",
                    sizes.y(),
                    x.shape,
                    self.kernel,
                    dy.shape
                ),
            ));
        }
        Ok(sizes)
    }
}
