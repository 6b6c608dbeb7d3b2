//! Convolutions as products in tiles of subgroups, for channels that come in fours.

use super::geometry::Sizes;
use super::lowering::bind_forward;
use super::{Conv2d, Conv2dInputGrad, Conv2dWeightGrad};
use crate::graph::{Activation, Caps, Kernel, Lowering, Operand};
use crate::ops::gemm::{self, ColumnTile, Product, RowTile, VECTOR};

/// Subgroup lanes, where the device can shuffle and the channels come in fours.
fn lanes(sizes: &Sizes, caps: &Caps) -> Option<usize> {
    let in_fours = sizes.group_c.is_multiple_of(4) && sizes.group_oc.is_multiple_of(4);
    gemm::shuffling_lanes(caps).filter(|_| in_fours)
}

/// Tiles of output pixels and channels.
pub(super) fn forward(op: &Conv2d, sizes: &Sizes, caps: &Caps) -> Option<Lowering> {
    let lanes = lanes(sizes, caps)?;
    let product = sizes.product(&op.geometry);
    let tile = RowTile::for_columns(product.n, lanes);
    let kernel = sizes.constants(&op.geometry, Kernel::new("gemm_rows"));
    let kernel = bind_forward(op, gemm::elements(VECTOR, kernel, op.activation))
        .file(include_str!("../../../shaders/gemm/conv2d_rows.wgsl"));
    Some(Lowering::single(&tile.variant(), tile.finish(kernel, &product, lanes, caps)))
}

/// Tiles of input pixels and channels: the product of `dy` with the weights, whose channels are
/// swapped first.
pub(super) fn input_grad(op: &Conv2dInputGrad, sizes: &Sizes, caps: &Caps) -> Option<Lowering> {
    let lanes = lanes(sizes, caps)?;
    let product = Product {
        m: sizes.in_pixels(),
        n: sizes.group_c,
        tap_k: sizes.group_oc,
        ..sizes.product(&op.geometry)
    };
    let tile = RowTile::for_columns(product.n, lanes);
    let swapped = Operand::Scratch(0);
    let blocks = [product.taps, sizes.group_c, product.groups, sizes.group_oc];
    let kernel = sizes.constants(&op.geometry, Kernel::new("gemm_rows"));
    let kernel = gemm::elements(VECTOR, kernel, Activation::Identity)
        .file(gemm::bindings(false))
        .read(Operand::Input(0))
        .read(swapped)
        .write(Operand::Output(0))
        .file(include_str!("../../../shaders/gemm/conv2d_input_grad_rows.wgsl"));
    Some(Lowering {
        variant: tile.variant(),
        scratch: vec![sizes.weights() * size_of::<f32>()],
        kernels: vec![
            gemm::swap_axes(Operand::Input(1), swapped, blocks, caps),
            tile.finish(kernel, &product, lanes, caps),
        ],
    })
}

/// Tiles of input and output channels, for each tap, in shares of the output pixels.
pub(super) fn weight_grad(op: &Conv2dWeightGrad, sizes: &Sizes, caps: &Caps) -> Option<Lowering> {
    let lanes = lanes(sizes, caps)?;
    let product = sizes.product(&op.geometry);
    let tile = ColumnTile::for_columns(product.n, lanes);
    let splits = gemm::splits(product.m, tile.tiles(&product, lanes));
    let kernel = sizes.constants(&op.geometry, Kernel::new("gemm_columns"));
    let kernel = gemm::elements(VECTOR, kernel, Activation::Identity)
        .file(gemm::bindings(false))
        .read(Operand::Input(0))
        .read(Operand::Input(1))
        .write(gemm::partial_result(splits))
        .file(include_str!("../../../shaders/gemm/conv2d_rows.wgsl"));
    let kernel = tile.finish(kernel, &product, splits, lanes, caps);
    Some(gemm::with_ordered_sum(&tile.variant(), kernel, splits, sizes.weights(), caps))
}
