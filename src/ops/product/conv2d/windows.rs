//! The product of the windows of an image with a matrix.

use super::ConvGeometry;
use super::geometry::Sizes;
use crate::graph::Operand;
use crate::ops::product::gemm::{Form, Task};
use crate::ops::product::tail::ProductTail;

/// How rows of pixels are found: those of a pointwise convolution lie as those of a matrix.
pub(super) fn rows_file(
    geometry: &ConvGeometry,
    sizes: &Sizes,
    general: &'static str,
) -> &'static str {
    if sizes.is_pointwise(geometry) {
        include_str!("../../../../shaders/product/gemm/matmul_rows.wgsl")
    } else {
        general
    }
}

/// The product of the windows of input 0 with input 1, into output 0.
pub(super) fn of_windows(form: Form, geometry: &ConvGeometry, sizes: &Sizes) -> Task {
    Task {
        form,
        product: sizes.product(geometry),
        a: Operand::Input(0),
        b: Operand::Input(1),
        y: Operand::Output(0),
        tail: ProductTail::default(),
        rows: rows_file(
            geometry,
            sizes,
            include_str!("../../../../shaders/product/gemm/conv2d_rows.wgsl"),
        ),
        constants: sizes.constants(geometry),
        before: Vec::new(),
        scratch: Vec::new(),
        blocks: None,
    }
}
