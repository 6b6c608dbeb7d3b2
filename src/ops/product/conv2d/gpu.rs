//! How convolutions run on a GPU: the variants of each op, best guess first.

use super::geometry::Sizes;
use super::windows::{of_windows, rows_file};
use super::winograd::Winograd;
use super::{Conv2d, Conv2dInputGrad, Conv2dWeightGrad, depthwise, few_channels, padded, phases};
use crate::graph::{Caps, Kernel, Lowering, Operand, Work};
use crate::ops::product::gemm;
use crate::ops::product::gemm::{Form, Product, Task};

/// Name of the general variants: one element per invocation, any geometry.
const GENERAL: &str = "one_per_thread";

/// The product that is a convolution.
pub(super) fn forward_task(op: &Conv2d, sizes: &Sizes) -> Task {
    Task { tail: op.tail(), ..of_windows(Form::Rows, &op.geometry, sizes) }
}

pub(super) fn forward(op: &Conv2d, sizes: &Sizes, caps: &Caps) -> Vec<Lowering> {
    let task = forward_task(op, sizes);
    let kernel = gemm::with_constants(Kernel::new("conv2d"), &task.constants);
    let general = task
        .with_operands(kernel, ["f32"; 3], 1)
        .flat(sizes.out_pixels() * sizes.oc, 64, caps)
        .work(Work::of_loads(sizes.out_pixels() * sizes.oc, 64, 2 * task.product.k()))
        .file(include_str!("../../../../shaders/product/conv2d.wgsl"));
    if !caps.long_kernels {
        return vec![Lowering::single(GENERAL, general)];
    }
    let mut lowerings = Vec::new();
    lowerings.extend(depthwise::forward(op, sizes, caps));
    lowerings.extend(few_channels::forward(op, sizes, caps));
    lowerings.extend(with_winograd(&task, Winograd::forward(&op.geometry, sizes), caps));
    lowerings.extend(padded::forward(&op.geometry, sizes, op.tail(), caps));
    with_general(lowerings, general, &task.product)
}

/// The product of dy with the weights, whose input and output channels are swapped first.
fn input_grad_task(op: &Conv2dInputGrad, sizes: &Sizes, caps: &Caps) -> Task {
    let swapped = Operand::Scratch(0);
    let blocks = [sizes.kh * sizes.kw, sizes.group_c, op.geometry.groups, sizes.group_oc];
    Task {
        product: Product {
            m: sizes.in_pixels(),
            n: sizes.group_c,
            tap_k: sizes.group_oc,
            ..sizes.product(&op.geometry)
        },
        b: swapped,
        rows: rows_file(
            &op.geometry,
            sizes,
            include_str!("../../../../shaders/product/gemm/conv2d_input_grad_rows.wgsl"),
        ),
        before: vec![gemm::swap_axes(Operand::Input(1), swapped, blocks, caps)],
        scratch: vec![sizes.weights() * size_of::<f32>()],
        tail: op.tail(),
        ..of_windows(Form::Rows, &op.geometry, sizes)
    }
}

pub(super) fn input_grad(op: &Conv2dInputGrad, sizes: &Sizes, caps: &Caps) -> Vec<Lowering> {
    let task = input_grad_task(op, sizes, caps);
    let kernel = gemm::with_constants(Kernel::new("conv2d_input_grad"), &task.constants);
    let general = Task { b: Operand::Input(1), ..task.clone() }
        .with_operands(kernel, ["f32"; 3], 1)
        .flat(sizes.in_pixels() * sizes.c, 64, caps)
        .work(Work::of_loads(sizes.in_pixels() * sizes.c, 64, 2 * task.product.k()))
        .file(include_str!("../../../../shaders/product/conv2d_input_grad.wgsl"));
    if !caps.long_kernels {
        return vec![Lowering::single(GENERAL, general)];
    }
    let winograd = Winograd::input_grad(&op.geometry, sizes);
    let depthwise = depthwise::input_grad(op, sizes, caps);
    let plain = depthwise.into_iter().chain(with_winograd(&task, winograd, caps)).collect();
    let by_phase = phases::task(op, sizes, &task, caps);
    let by_phase = by_phase.iter().flat_map(|task| task.lowerings(caps)).collect();
    with_general(phases::before(by_phase, plain), general, &task.product)
}

/// The variants of the input gradient that multiply cooperative matrices.
pub(super) fn cooperative_input_grad(
    op: &Conv2dInputGrad,
    sizes: &Sizes,
    is_half: &dyn Fn(Operand) -> bool,
    caps: &Caps,
) -> Vec<Lowering> {
    let task = input_grad_task(op, sizes, caps);
    let by_phase = phases::task(op, sizes, &task, caps);
    let by_matrices = |task: &Task| task.cooperative_lowerings(is_half, caps);
    phases::before(by_phase.iter().flat_map(by_matrices).collect(), by_matrices(&task))
}

/// The products of a task, and those of Winograd's algorithm where it applies.
fn with_winograd(task: &Task, winograd: Option<Winograd>, caps: &Caps) -> Vec<Lowering> {
    let plain = task.lowerings(caps);
    match winograd {
        Some(winograd) => winograd.beside_outputs(plain, task.tail, caps),
        None => plain,
    }
}

/// Adds the general kernel, unless its sums are too long and there is another.
fn with_general(mut lowerings: Vec<Lowering>, general: Kernel, product: &Product) -> Vec<Lowering> {
    if lowerings.is_empty() || product.k() <= gemm::MAX_TERMS {
        lowerings.push(Lowering::single(GENERAL, general));
    }
    lowerings
}

/// The product of the windows with dy.
pub(super) fn weight_grad_task(op: &Conv2dWeightGrad, sizes: &Sizes) -> Task {
    of_windows(Form::Columns, &op.geometry, sizes)
}

pub(super) fn weight_grad(op: &Conv2dWeightGrad, sizes: &Sizes, caps: &Caps) -> Vec<Lowering> {
    let task = weight_grad_task(op, sizes);
    let general = one_weight_per_thread(&task, sizes, caps);
    if !caps.long_kernels {
        return vec![general];
    }
    let mut lowerings = Vec::new();
    lowerings.extend(depthwise::weight_grad(op, &task, sizes, caps));
    lowerings.extend(few_channels::weight_grad(op, &task, sizes, caps));
    let plain = task.lowerings(caps);
    lowerings.extend(match Winograd::forward(&op.geometry, sizes) {
        Some(winograd) => winograd.beside_weight_grad(plain, caps),
        None => plain,
    });
    lowerings.extend(padded::weight_grad(&op.geometry, sizes, caps));
    lowerings.push(general);
    lowerings
}

/// One weight and one share of the output pixels per invocation, then the ordered sum of the shares.
fn one_weight_per_thread(task: &Task, sizes: &Sizes, caps: &Caps) -> Lowering {
    /// Shares that give enough invocations.
    const WANTED_SPLITS: usize = 16;
    const LEAST_PIXELS: usize = 64;
    let splits = gemm::splits(sizes.out_pixels(), LEAST_PIXELS, 1, WANTED_SPLITS);
    let pixels = sizes.out_pixels().div_ceil(splits);
    let kernel = gemm::with_constants(Kernel::new("conv2d_weight_grad"), &task.constants)
        .constant("PIXELS_PER_SPLIT", pixels)
        .flat(splits * sizes.weights(), 64, caps)
        .work(Work::of_loads(splits * sizes.weights(), 64, 2 * pixels))
        .file(include_str!("../../../../shaders/product/conv2d_weight_grad.wgsl"))
        .read(Operand::Input(0))
        .read(Operand::Input(1))
        .write(task.result(splits));
    task.lowering(GENERAL, kernel, splits, caps)
}
