//! Windows of two-dimensional pooling: sizes, checks, and the constants that kernels need.

use serde::{Deserialize, Serialize};

use crate::error::ShapeError;
use crate::graph::Kernel;
use crate::ops::kit::{at_most, of_dtype};
use crate::tensor::{DType, TensorType};

/// Where the windows of a pooling lie. Output sizes are rounded down:
/// `oh = (h + top + bottom - window) / stride + 1`, and likewise for the width.
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
        Self { window, stride: window, padding: [0; 4] }
    }

    /// Height and width of the output for an input of the given height and width.
    ///
    /// # Errors
    /// When the window or the stride is zero, the padding exceeds half the window (then a window
    /// could hold padding only), or the window exceeds the padded input.
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
            if input[axis] == 0 || window > padded {
                return Err(ShapeError::new(
                    op,
                    format!(
                        "window {window} ({name}) exceeds the padded input, {padded} = {} + {} + {}",
                        input[axis], padding[0], padding[1]
                    ),
                ));
            }
            output[axis] = (padded - window) / stride + 1;
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
            .constant("BOTTOM", self.padding[1])
            .constant("LEFT", self.padding[2])
            .constant("RIGHT", self.padding[3])
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
    let pool = |window, stride, padding| PoolGeometry { window, stride, padding };
    vec![
        ("one_element", PoolGeometry::non_overlapping([1, 1]), [1, 1, 1, 1]),
        ("window_2", PoolGeometry::non_overlapping([2, 2]), [2, 4, 6, 4]),
        ("tail_dropped", PoolGeometry::non_overlapping([2, 2]), [1, 5, 7, 3]),
        ("whole_image", PoolGeometry::non_overlapping([3, 5]), [2, 3, 5, 5]),
        ("overlapping", pool([3, 3], [2, 2], [0; 4]), [1, 7, 9, 3]),
        ("overlapping_vec4", pool([3, 2], [1, 1], [1, 1, 1, 1]), [1, 5, 4, 8]),
        ("padded", pool([3, 3], [2, 2], [1, 1, 1, 1]), [1, 6, 5, 2]),
        ("asymmetric", pool([4, 3], [3, 2], [2, 0, 0, 1]), [2, 6, 7, 4]),
        ("stride_exceeds_window", pool([2, 1], [3, 4], [1, 1, 0, 0]), [1, 7, 11, 4]),
        ("padded_non_overlapping", pool([3, 2], [3, 2], [1, 0, 1, 1]), [1, 8, 6, 4]),
        ("input_below_window", pool([4, 5], [1, 2], [2, 2, 2, 1]), [1, 1, 2, 3]),
    ]
}

/// Geometries and image sizes of real models.
pub(super) fn bench_geometries() -> Vec<(&'static str, PoolGeometry, [usize; 4])> {
    let two = PoolGeometry::non_overlapping([2, 2]);
    let resnet_stem = PoolGeometry { window: [3, 3], stride: [2, 2], padding: [1, 1, 1, 1] };
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
        PoolGeometry { window: [window; 2], stride: [stride; 2], padding: [padding; 4] }
            .output("max_pool2d", [input; 2])
            .map_or_else(|error| error.to_string(), |output| format!("{output:?}"))
    }

    #[test]
    fn sizes_round_down() {
        assert_eq!(message(2, 2, 0, 13), "[6, 6]");
        assert_eq!(message(3, 2, 1, 32), "[16, 16]");
    }

    #[test]
    fn errors_say_what_is_wrong() {
        assert!(message(0, 1, 0, 4).contains("window 0 and stride 1 (height) must be at least 1"));
        assert!(message(3, 1, 2, 8).contains("padding 2 (height) exceeds half the window, 1"));
        assert!(message(5, 1, 1, 2).contains("window 5 (height) exceeds the padded input, 4 ="));
        assert!(message(2, 1, 1, 0).contains("exceeds the padded input"));
    }
}
