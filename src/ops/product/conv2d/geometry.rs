//! Geometry of two-dimensional convolutions: the shape rule and the sizes that kernels see.

use serde::{Deserialize, Serialize};

use crate::error::ShapeError;
use crate::ops::kit::at_most;
use crate::ops::product::gemm::Product;
use crate::tensor::{DType, TensorType};

/// Stride, padding, dilation and groups of a two-dimensional convolution. Pairs are
/// `[vertical, horizontal]`, in pixels.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConvGeometry {
    /// Distance between two windows.
    pub stride: [usize; 2],
    /// Rows and columns of zeros around the input: top, bottom, left, right.
    pub padding: [usize; 4],
    /// Distance between two taps of a window; 1 for a dense window.
    pub dilation: [usize; 2],
    /// Groups of channels that are convolved on their own; the number of channels for a depthwise
    /// convolution.
    pub groups: usize,
}

/// Largest stride, dilation and padding.
const MOST: usize = 65_535;
/// Largest extent of an input.
const MOST_PIXELS: usize = 1 << 20;
/// Most taps of a kernel in one direction.
const MOST_TAPS: usize = 1023;

impl Default for ConvGeometry {
    fn default() -> Self {
        Self { stride: [1, 1], padding: [0; 4], dilation: [1, 1], groups: 1 }
    }
}

impl ConvGeometry {
    /// A square stride with the same padding on all sides, undilated, in one group.
    pub fn new(stride: usize, padding: usize) -> Self {
        Self { stride: [stride; 2], padding: [padding; 4], ..Self::default() }
    }

    /// Sets the padding such that the output has `ceil(input / stride)` rows and columns. Where
    /// the padding is odd, bottom and right get the larger half.
    ///
    /// Source: TensorFlow's `SAME` padding,
    /// <https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2>.
    #[must_use]
    pub fn with_same_padding(mut self, input: [usize; 2], kernel: [usize; 2]) -> Self {
        let [vertical, horizontal] = [0, 1].map(|d: usize| {
            let windows = input[d].div_ceil(self.stride[d].max(1)).max(1);
            let steps = (windows - 1).saturating_mul(self.stride[d]);
            let covered = steps.saturating_add(self.window(d, kernel[d]));
            let total = covered.saturating_sub(input[d]);
            [total / 2, total - total / 2]
        });
        self.padding = [vertical[0], vertical[1], horizontal[0], horizontal[1]];
        self
    }

    /// Rows and columns of the output, for rows and columns of the input and the kernel:
    /// `(input + padding - dilation (kernel - 1) - 1) / stride + 1`, rounded down.
    ///
    /// # Errors
    /// When an attribute is zero that must not be, or the window is larger than the padded input.
    pub fn output(
        &self,
        op: &str,
        input: [usize; 2],
        kernel: [usize; 2],
    ) -> Result<[usize; 2], ShapeError> {
        let positive = [
            ("stride", self.stride),
            ("dilation", self.dilation),
            ("kernel", kernel),
            ("input", input),
        ];
        if let Some((what, value)) = positive.into_iter().find(|(_, value)| value.contains(&0)) {
            return Err(ShapeError::new(op, format!("{what} must not be zero, it is {value:?}")));
        }
        // A window then reaches at most 2^26 pixels.
        let distances: [(&str, &[usize]); 3] =
            [("stride", &self.stride), ("dilation", &self.dilation), ("padding", &self.padding)];
        at_most(op, MOST, &distances)?;
        at_most(op, MOST_PIXELS, &[("input", &input)])?;
        at_most(op, MOST_TAPS, &[("kernel", &kernel)])?;
        let [top, bottom, left, right] = self.padding;
        let padded = [input[0] + top + bottom, input[1] + left + right];
        let window = [self.window(0, kernel[0]), self.window(1, kernel[1])];
        if window[0] > padded[0] || window[1] > padded[1] {
            return Err(ShapeError::new(
                op,
                format!(
                    "the kernel {kernel:?} covers {window:?} pixels with dilation {:?}, but the \
                     padded input has only {padded:?}; pad more or use a smaller kernel",
                    self.dilation
                ),
            ));
        }
        Ok([0, 1].map(|d: usize| (padded[d] - window[d]) / self.stride[d] + 1))
    }

    /// Pixels that a kernel of `kernel` taps covers in one direction.
    fn window(&self, direction: usize, kernel: usize) -> usize {
        self.dilation[direction].saturating_mul(kernel.saturating_sub(1)).saturating_add(1)
    }

    /// The input pixel that tap `k` of window `o` reads, in one direction: `None` in the padding.
    pub(super) fn tap(&self, direction: usize, o: usize, k: usize, input: usize) -> Option<usize> {
        let before = self.padding[2 * direction];
        (o * self.stride[direction] + k * self.dilation[direction])
            .checked_sub(before)
            .filter(|&i| i < input)
    }

    /// The window whose tap `k` reads input pixel `i`, in one direction, if there is one.
    pub(super) fn window_of(
        &self,
        direction: usize,
        i: usize,
        k: usize,
        output: usize,
    ) -> Option<usize> {
        let offset = (i + self.padding[2 * direction]).checked_sub(k * self.dilation[direction])?;
        let stride = self.stride[direction];
        Some(offset / stride).filter(|&o| offset % stride == 0 && o < output)
    }
}

/// All sizes of one convolution, whichever of its three tensors is the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Images.
    pub n: usize,
    /// Rows of the input.
    pub h: usize,
    /// Columns of the input.
    pub w: usize,
    /// Channels of the input.
    pub c: usize,
    /// Rows of the kernel.
    pub kh: usize,
    /// Columns of the kernel.
    pub kw: usize,
    /// Rows of the output.
    pub oh: usize,
    /// Columns of the output.
    pub ow: usize,
    /// Channels of the output.
    pub oc: usize,
    /// Channels of the input in one group.
    pub group_c: usize,
    /// Channels of the output in one group.
    pub group_oc: usize,
}

impl Sizes {
    /// Sizes of the convolution of an input `[n, h, w, c]` with `oc` kernels of `kernel` taps.
    pub(super) fn new(
        op: &str,
        geometry: &ConvGeometry,
        [n, h, w, c]: [usize; 4],
        [kh, kw]: [usize; 2],
        oc: usize,
    ) -> Result<Self, ShapeError> {
        let groups = geometry.groups;
        if groups == 0 || c == 0 || oc == 0 || n == 0 {
            return Err(ShapeError::new(
                op,
                format!(
                    "needs at least one image, channel and group, there are {n} images, {c} input \
                     and {oc} output channels and {groups} groups"
                ),
            ));
        }
        if !c.is_multiple_of(groups) || !oc.is_multiple_of(groups) {
            return Err(ShapeError::new(
                op,
                format!(
                    "{c} input and {oc} output channels cannot be divided into {groups} groups"
                ),
            ));
        }
        let [oh, ow] = geometry.output(op, [h, w], [kh, kw])?;
        let (group_c, group_oc) = (c / groups, oc / groups);
        Ok(Self { n, h, w, c, kh, kw, oh, ow, oc, group_c, group_oc })
    }

    /// `[n, h, w, c]`
    pub(super) fn x(&self) -> [usize; 4] {
        [self.n, self.h, self.w, self.c]
    }

    /// `[kh, kw, c / groups, oc]`
    pub(super) fn weight(&self) -> [usize; 4] {
        [self.kh, self.kw, self.group_c, self.oc]
    }

    /// `[n, oh, ow, oc]`
    pub(super) fn y(&self) -> [usize; 4] {
        [self.n, self.oh, self.ow, self.oc]
    }

    /// Output pixels of all images.
    pub(super) fn out_pixels(&self) -> usize {
        self.n * self.oh * self.ow
    }

    /// Input pixels of all images.
    pub(super) fn in_pixels(&self) -> usize {
        self.n * self.h * self.w
    }

    /// Elements of the weights.
    pub(super) fn weights(&self) -> usize {
        self.kh * self.kw * self.group_c * self.oc
    }

    /// Multiply-adds count as two operations; those in the padding are counted.
    pub(super) fn flop(&self) -> usize {
        2 * self.out_pixels() * self.weights()
    }

    /// The convolution as a product: output pixels, window taps of input channels, output channels.
    pub(super) fn product(&self, geometry: &ConvGeometry) -> Product {
        Product {
            m: self.out_pixels(),
            n: self.group_oc,
            groups: geometry.groups,
            taps: self.kh * self.kw,
            tap_k: self.group_c,
        }
    }

    /// Whether each output pixel is made of the input pixel at the same place alone.
    pub(super) fn is_pointwise(&self, geometry: &ConvGeometry) -> bool {
        let unpadded = geometry.padding == [0; 4];
        let same_pixels = [self.oh, self.ow] == [self.h, self.w];
        [self.kh, self.kw] == [1, 1] && geometry.stride == [1, 1] && unpadded && same_pixels
    }

    /// The constants that every convolution kernel may use.
    pub(super) fn constants(&self, geometry: &ConvGeometry) -> Vec<(&'static str, usize)> {
        let [top, _, left, _] = geometry.padding;
        vec![
            ("BATCH", self.n),
            ("IN_H", self.h),
            ("IN_W", self.w),
            ("IN_C", self.c),
            ("KERNEL_H", self.kh),
            ("KERNEL_W", self.kw),
            ("OUT_H", self.oh),
            ("OUT_W", self.ow),
            ("OUT_C", self.oc),
            ("GROUP_IN_C", self.group_c),
            ("GROUP_OUT_C", self.group_oc),
            ("STRIDE_H", geometry.stride[0]),
            ("STRIDE_W", geometry.stride[1]),
            ("DILATION_H", geometry.dilation[0]),
            ("DILATION_W", geometry.dilation[1]),
            ("PAD_TOP", top),
            ("PAD_LEFT", left),
        ]
    }
}

/// Dimensions of a float operand of rank four.
pub(super) fn image(op: &str, name: &str, ty: &TensorType) -> Result<[usize; 4], ShapeError> {
    crate::ops::kit::of_dtype(op, (name, ty), DType::F32)?;
    ty.ranked(op, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_rounds_down() {
        let geometry = ConvGeometry { stride: [2, 3], padding: [1, 0, 0, 2], ..Default::default() };
        assert_eq!(geometry.output("conv2d", [7, 9], [3, 3]), Ok([3, 3]));
        let dilated = ConvGeometry { dilation: [2, 3], ..Default::default() };
        assert_eq!(dilated.output("conv2d", [9, 9], [3, 3]), Ok([5, 3]));
    }

    #[test]
    fn same_padding_is_larger_at_the_bottom_and_right() {
        let geometry = ConvGeometry::new(2, 0).with_same_padding([28, 7], [3, 2]);
        assert_eq!(geometry.padding, [0, 1, 0, 1]);
        assert_eq!(geometry.output("conv2d", [28, 7], [3, 2]), Ok([14, 4]));
        let even = ConvGeometry::default().with_same_padding([5, 5], [4, 3]);
        assert_eq!(even.padding, [1, 2, 1, 1]);
        assert_eq!(even.output("conv2d", [5, 5], [4, 3]), Ok([5, 5]));
        let wide_stride = ConvGeometry::new(5, 0).with_same_padding([10, 11], [2, 2]);
        assert_eq!(wide_stride.padding, [0, 0, 0, 1]);
    }

    #[test]
    fn errors_name_what_is_wrong() {
        let message = |geometry: ConvGeometry, c, oc| {
            Sizes::new("conv2d", &geometry, [1, 4, 4, c], [5, 3], oc)
                .expect_err("the shapes are wrong")
                .to_string()
        };
        let geometry = ConvGeometry::default();
        assert!(message(geometry.clone(), 1, 1).contains("covers [5, 3] pixels"));
        assert!(
            message(ConvGeometry { groups: 2, ..geometry.clone() }, 3, 4).contains("into 2 groups")
        );
        assert!(
            message(ConvGeometry { stride: [0, 1], ..geometry }, 1, 1)
                .contains("stride must not be zero")
        );
    }

    #[test]
    fn taps_and_windows_are_inverse() {
        let geometry = ConvGeometry {
            stride: [2, 3],
            padding: [1, 2, 3, 0],
            dilation: [2, 1],
            ..Default::default()
        };
        for direction in 0..2 {
            for (o, k) in (0..4).flat_map(|o| (0..3).map(move |k| (o, k))) {
                if let Some(i) = geometry.tap(direction, o, k, 11) {
                    assert_eq!(geometry.window_of(direction, i, k, 4), Some(o));
                }
            }
        }
    }
}

#[cfg(test)]
mod limits {
    use super::*;

    /// Whatever numbers a recipe names, the answer is a shape that fits 32 bits, or an error.
    #[test]
    fn absurd_numbers_are_refused_and_wrap_nothing() {
        let numbers = [0, 1, 2, 3, 1023, 5000, 65_535, 65_536, 1 << 31, (1 << 32) - 1, 1 << 32];
        let numbers = numbers.into_iter().chain([usize::MAX / 2, usize::MAX]);
        let numbers: Vec<usize> = numbers.collect();
        for &stride in &numbers {
            for &dilation in &numbers {
                for &padding in &numbers {
                    for &kernel in &numbers {
                        let geometry = ConvGeometry {
                            stride: [stride, 1],
                            padding: [padding, 0, 0, padding],
                            dilation: [dilation, 1],
                            groups: 1,
                        };
                        let same = geometry.clone().with_same_padding([28, 28], [kernel, 3]);
                        for geometry in [geometry, same] {
                            if let Ok(output) = geometry.output("conv2d", [28, 28], [kernel, 3]) {
                                assert!(
                                    output.iter().all(|&extent| (1..1 << 21).contains(&extent))
                                );
                            }
                        }
                    }
                }
            }
        }
    }
}
