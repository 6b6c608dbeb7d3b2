//! Windows of two-dimensional pooling: sizes, checks, and the constants that kernels need.

use serde::{Deserialize, Serialize};

use crate::error::ShapeError;
use crate::graph::Kernel;
use crate::ops::kit::{at_most, of_dtype};
use crate::tensor::{DType, TensorType};

/// Where the windows of a pooling lie. Output sizes are rounded down:
/// `oh = (h + top + bottom - window) / stride + 1`, and likewise for the width. With `ceil_mode` they are
/// rounded up, without a last window that would start behind the input, in the bottom or right padding:
/// PyTorch's rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolGeometry {
    /// Height and width of a window, in elements.
    pub window: [usize; 2],
    /// Vertical and horizontal distance of neighboring windows, in elements.
    pub stride: [usize; 2],
    /// Rows and columns added at the top, bottom, left and right; at most half a window each.
    #[serde(default)]
    pub padding: [usize; 4],
    /// Whether a last window that reaches beyond the padded input counts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ceil_mode: bool,
}

/// Largest stride.
const MOST: usize = 65_535;
/// Largest extent of an input.
const MOST_PIXELS: usize = 1 << 20;
/// Largest extent of a window.
const MOST_OF_WINDOW: usize = 4096;

impl PoolGeometry {
    /// Windows side by side, without padding.
    pub const fn non_overlapping(window: [usize; 2]) -> Self {
        Self { window, stride: window, padding: [0; 4], ceil_mode: false }
    }

    /// Height and width of the output for an input of the given height and width.
    ///
    /// # Errors
    /// When the window or the stride is zero, the padding exceeds half the window (then a window
    /// could hold padding only), or the window exceeds the padded input; with `ceil_mode`, by a
    /// stride or more.
    pub fn output(&self, op: &str, input: [usize; 2]) -> Result<[usize; 2], ShapeError> {
        at_most(op, MOST, &[("stride", &self.stride)])?;
        at_most(op, MOST_PIXELS, &[("input", &input)])?;
        // Each output reads a whole window.
        at_most(op, MOST_OF_WINDOW, &[("window", &self.window[..]), ("padding", &self.padding)])?;
        let [top, bottom, left, right] = self.padding;
        let axes = [("height", 0, [top, bottom]), ("width", 1, [left, right])];
        let mut output = [0; 2];
        for (name, axis, padding) in axes {
            let (window, stride) = (self.window[axis], self.stride[axis]);
            if window == 0 || stride == 0 {
                return Err(ShapeError::new(
                    op,
                    format!("window {window} and stride {stride} ({name}) must be at least 1"),
                ));
            }
            if let Some(padding) = padding.into_iter().find(|padding| *padding > window / 2) {
                return Err(ShapeError::new(
                    op,
                    format!("padding {padding} ({name}) exceeds half the window, {}", window / 2),
                ));
            }
            let padded = input[axis] + padding[0] + padding[1];
            // By how much a window may reach beyond the padded input.
            let beyond = if self.ceil_mode { stride - 1 } else { 0 };
            if input[axis] == 0 || window > padded + beyond {
                return Err(ShapeError::new(
                    op,
                    format!(
                        "window {window} ({name}) exceeds the padded input, {padded} = {} + {} + {}",
                        input[axis], padding[0], padding[1]
                    ),
                ));
            }
            let last = (padded + beyond - window) / stride;
            // The last window has to start in front of what lies behind the input.
            let starts_behind = self.ceil_mode && last * stride >= input[axis] + padding[0];
            output[axis] = last + usize::from(!starts_behind);
        }
        Ok(output)
    }

    /// Output type of a pooling of `x`, as its dimensions.
    pub(in crate::ops) fn pooled(
        &self,
        op: &str,
        x: &TensorType,
    ) -> Result<[usize; 4], ShapeError> {
        let [n, h, w, c] = images(op, ("x", x))?;
        let [oh, ow] = self.output(op, [h, w])?;
        Ok([n, oh, ow, c])
    }

    /// Dimensions of the gradient of a pooled image of height and width `input`, from the type of
    /// the gradient of the result.
    pub(super) fn unpooled(
        &self,
        op: &str,
        dy: &TensorType,
        input: [usize; 2],
    ) -> Result<[usize; 4], ShapeError> {
        let [n, oh, ow, c] = images(op, ("dy", dy))?;
        let expected = self.output(op, input)?;
        if [oh, ow] != expected {
            return Err(ShapeError::new(
                op,
                format!(
                    "dy {} must have height and width {expected:?}: an input of {input:?} gives them",
                    dy.shape
                ),
            ));
        }
        Ok([n, input[0], input[1], c])
    }

    /// Where element `k` of window `o` lies on an axis of the input (0 height, 1 width) with
    /// `size` elements; none in the padding.
    #[inline]
    pub(in crate::ops) fn position(
        &self,
        axis: usize,
        o: usize,
        k: usize,
        size: usize,
    ) -> Option<usize> {
        let before = self.padding[2 * axis];
        (o * self.stride[axis] + k).checked_sub(before).filter(|position| *position < size)
    }

    /// Elements of window `o` of an axis that lie within the padded input: those behind it, where
    /// `ceil_mode` lets a window reach beyond, do not count.
    fn within_padding(&self, axis: usize, o: usize, size: usize) -> usize {
        let padded = self.padding[2 * axis] + size + self.padding[2 * axis + 1];
        self.window[axis].min(padded - (o * self.stride[axis]).min(padded))
    }

    /// By what average pooling divides where padding counts, for window `oy, ox` over an input of
    /// height and width `input`.
    pub(super) fn padded_count(&self, [oy, ox]: [usize; 2], input: [usize; 2]) -> usize {
        self.within_padding(0, oy, input[0]) * self.within_padding(1, ox, input[1])
    }

    /// Rows or columns behind the input that the last window holds, at least the padding.
    fn behind(&self, axis: usize, input: [usize; 2], output: [usize; 2]) -> usize {
        let reach = output[axis].saturating_sub(1) * self.stride[axis] + self.window[axis];
        let [before, after] = [self.padding[2 * axis], self.padding[2 * axis + 1]];
        after.max(reach.saturating_sub(before + input[axis]))
    }

    /// Adds the constants of `shaders/common/pool_windows.wgsl` and that file.
    pub(in crate::ops) fn declare(
        &self,
        kernel: Kernel,
        input: [usize; 2],
        output: [usize; 2],
    ) -> Kernel {
        kernel
            .constant("H", input[0])
            .constant("W", input[1])
            .constant("OH", output[0])
            .constant("OW", output[1])
            .constant("KH", self.window[0])
            .constant("KW", self.window[1])
            .constant("STRIDE_H", self.stride[0])
            .constant("STRIDE_W", self.stride[1])
            .constant("TOP", self.padding[0])
            .constant("BOTTOM", self.behind(0, input, output))
            .constant("LEFT", self.padding[2])
            .constant("RIGHT", self.behind(1, input, output))
            .file(include_str!("../../../shaders/common/pool_windows.wgsl"))
    }
}

/// Dimensions of an operand `[n, h, w, c]`, none of them zero.
pub(super) fn images(op: &str, (name, ty): (&str, &TensorType)) -> Result<[usize; 4], ShapeError> {
    of_dtype(op, (name, ty), DType::F32)?;
    let dims = ty.ranked(op, name)?;
    if ty.elements() == 0 {
        return Err(ShapeError::new(op, format!("{name} must not be empty, it is {ty}")));
    }
    Ok(dims)
}

/// Geometries and image sizes `[n, h, w, c]` that the cases of windowed pooling share, and a name.
pub fn test_geometries() -> Vec<(&'static str, PoolGeometry, [usize; 4])> {
    let pool = |window, stride, padding| PoolGeometry { window, stride, padding, ceil_mode: false };
    let ceil = |window, stride, padding| PoolGeometry { window, stride, padding, ceil_mode: true };
    vec![
        ("one_element", PoolGeometry::non_overlapping([1, 1]), [1, 1, 1, 1]),
        ("window_2", PoolGeometry::non_overlapping([2, 2]), [2, 4, 6, 4]),
        ("many_windows", PoolGeometry::non_overlapping([2, 2]), [2, 12, 14, 3]),
        ("tail_dropped", PoolGeometry::non_overlapping([2, 2]), [1, 5, 7, 3]),
        ("whole_image", PoolGeometry::non_overlapping([3, 5]), [2, 3, 5, 5]),
        ("overlapping", pool([3, 3], [2, 2], [0; 4]), [1, 7, 9, 3]),
        ("overlapping_vec4", pool([3, 2], [1, 1], [1, 1, 1, 1]), [1, 5, 4, 8]),
        ("padded", pool([3, 3], [2, 2], [1, 1, 1, 1]), [1, 6, 5, 2]),
        ("asymmetric", pool([4, 3], [3, 2], [2, 0, 0, 1]), [2, 6, 7, 4]),
        ("stride_exceeds_window", pool([2, 1], [3, 4], [1, 1, 0, 0]), [1, 7, 11, 4]),
        ("padded_non_overlapping", pool([3, 2], [3, 2], [1, 0, 1, 1]), [1, 8, 6, 4]),
        ("input_below_window", pool([4, 5], [1, 2], [2, 2, 2, 1]), [1, 1, 2, 3]),
        ("ceil", ceil([3, 3], [2, 2], [0; 4]), [2, 6, 7, 4]),
        ("ceil_side_by_side", ceil([2, 3], [2, 3], [0; 4]), [1, 5, 7, 4]),
        ("ceil_padded", ceil([3, 3], [2, 2], [1, 1, 1, 1]), [1, 6, 7, 3]),
        ("ceil_asymmetric", ceil([4, 3], [3, 2], [2, 0, 0, 1]), [2, 7, 7, 4]),
        // A last window would start in the padding behind the input.
        ("ceil_starts_behind", ceil([2, 2], [2, 3], [1, 1, 1, 1]), [1, 4, 5, 2]),
        ("ceil_beyond_input", ceil([5, 4], [4, 3], [0, 0, 1, 0]), [1, 3, 2, 4]),
    ]
}

/// Geometries and image sizes of real models.
pub(super) fn bench_geometries() -> Vec<(&'static str, PoolGeometry, [usize; 4])> {
    let two = PoolGeometry::non_overlapping([2, 2]);
    let resnet_stem =
        PoolGeometry { padding: [1; 4], stride: [2, 2], ..PoolGeometry::non_overlapping([3, 3]) };
    vec![
        ("bench_128x26x26x32", two.clone(), [128, 26, 26, 32]),
        ("bench_128x11x11x64", two, [128, 11, 11, 64]),
        ("bench_3x3_64x32x32x64", resnet_stem, [64, 32, 32, 64]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(window: usize, stride: usize, padding: usize, input: usize) -> String {
        rounded(window, stride, padding, input, false)
    }

    fn rounded(window: usize, stride: usize, padding: usize, input: usize, up: bool) -> String {
        let [window, stride] = [[window; 2], [stride; 2]];
        PoolGeometry { window, stride, padding: [padding; 4], ceil_mode: up }
            .output("max_pool2d", [input; 2])
            .map_or_else(|error| error.to_string(), |output| format!("{output:?}"))
    }

    #[test]
    fn sizes_round_down() {
        assert_eq!(message(2, 2, 0, 13), "[6, 6]");
        assert_eq!(message(3, 2, 1, 32), "[16, 16]");
    }

    /// Sizes that torch.nn.MaxPool2d gives with ceil_mode=True.
    #[test]
    fn sizes_round_up_as_in_pytorch() {
        for (window, stride, padding, input, expected) in [
            (3, 2, 0, 109, 54),
            (3, 2, 0, 112, 56),
            (2, 2, 0, 13, 7),
            (2, 3, 1, 5, 2),
            (2, 2, 1, 4, 3),
            (3, 2, 1, 6, 4),
            (5, 4, 0, 2, 1),
            (2, 5, 1, 4, 1),
        ] {
            let found = rounded(window, stride, padding, input, true);
            assert_eq!(
                found,
                format!("{:?}", [expected; 2]),
                "{window} {stride} {padding} {input}"
            );
        }
        assert!(rounded(5, 3, 0, 2, true).contains("window 5 (height) exceeds the padded input"));
    }

    #[test]
    fn errors_say_what_is_wrong() {
        assert!(message(0, 1, 0, 4).contains("window 0 and stride 1 (height) must be at least 1"));
        assert!(message(3, 1, 2, 8).contains("padding 2 (height) exceeds half the window, 1"));
        assert!(message(5, 1, 1, 2).contains("window 5 (height) exceeds the padded input, 4 ="));
        assert!(message(2, 1, 1, 0).contains("exceeds the padded input"));
    }
}
