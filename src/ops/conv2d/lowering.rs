//! How convolutions run on a GPU: the variants of each op, and the general kernels.

use super::geometry::Sizes;
use super::{Conv2d, Conv2dInputGrad, Conv2dWeightGrad, few_channels, subgroup};
use crate::graph::{Caps, Kernel, Lowering, Operand};
use crate::ops::gemm;

/// Variants of the convolution, best guess first.
pub(super) fn forward(op: &Conv2d, sizes: &Sizes, caps: &Caps) -> Vec<Lowering> {
    let kernel = gemm::elements("f32", Kernel::new("conv2d"), op.activation);
    let kernel =
        sizes.constants(&op.geometry, kernel).flat(sizes.out_pixels() * sizes.oc, 64, caps);
    let general = bind_forward(op, kernel).file(include_str!("../../../shaders/conv2d.wgsl"));
    let mut lowerings = Vec::new();
    lowerings.extend(few_channels::forward(op, sizes, caps));
    lowerings.extend(subgroup::forward(op, sizes, caps));
    lowerings.push(Lowering::single("one_per_thread", general));
    lowerings
}

/// Variants of the input gradient, best guess first.
pub(super) fn input_grad(op: &Conv2dInputGrad, sizes: &Sizes, caps: &Caps) -> Vec<Lowering> {
    let general = sizes
        .constants(&op.geometry, Kernel::new("conv2d_input_grad"))
        .flat(sizes.in_pixels() * sizes.c, 64, caps)
        .file(include_str!("../../../shaders/conv2d_input_grad.wgsl"))
        .read(Operand::Input(0))
        .read(Operand::Input(1))
        .write(Operand::Output(0));
    let mut lowerings = Vec::new();
    lowerings.extend(subgroup::input_grad(op, sizes, caps));
    lowerings.push(Lowering::single("one_per_thread", general));
    lowerings
}

/// Variants of the weight gradient, best guess first.
pub(super) fn weight_grad(op: &Conv2dWeightGrad, sizes: &Sizes, caps: &Caps) -> Vec<Lowering> {
    /// Shares into which the images are split at most, so that there are enough invocations.
    const MAX_SPLITS: usize = 16;
    let images_per_split = sizes.n.div_ceil(MAX_SPLITS);
    let splits = sizes.n.div_ceil(images_per_split);
    let general = sizes
        .constants(&op.geometry, Kernel::new("conv2d_weight_grad"))
        .constant("IMAGES_PER_SPLIT", images_per_split)
        .flat(splits * sizes.weights(), 64, caps)
        .file(include_str!("../../../shaders/conv2d_weight_grad.wgsl"))
        .read(Operand::Input(0))
        .read(Operand::Input(1))
        .write(gemm::partial_result(splits));
    let general = gemm::with_ordered_sum("one_per_thread", general, splits, sizes.weights(), caps);
    let mut lowerings = Vec::new();
    lowerings.extend(few_channels::weight_grad(op, sizes, caps));
    lowerings.extend(subgroup::weight_grad(op, sizes, caps));
    lowerings.push(general);
    lowerings
}

/// Binds `x`, `w`, the bias if there is one, and `y`, and adds the file that declares them.
pub(super) fn bind_forward(op: &Conv2d, kernel: Kernel) -> Kernel {
    let kernel = kernel.read(Operand::Input(0)).read(Operand::Input(1));
    let kernel = if op.bias { kernel.read(Operand::Input(2)) } else { kernel };
    kernel.write(Operand::Output(0)).file(gemm::bindings(op.bias))
}
