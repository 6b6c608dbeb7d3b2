//! Convolutions of images, whose channels do not come in fours, by kernels that load vectors: with
//! channels of zeros up to the next multiple of four. Scalar loads and the arithmetic of their places cost
//! GPUs more than the additional products.

use super::ConvGeometry;
use super::geometry::Sizes;
use super::windows::of_windows;
use crate::graph::{Caps, Kernel, Lowering, Operand};
use crate::ops::kit::Lanes;
use crate::ops::product::gemm;
use crate::ops::product::gemm::{Form, Task};
use crate::ops::product::tail::ProductTail;

/// Before the names of variants.
const PREFIX: &str = "padded_";
/// Most channels that are padded. Beyond, little of a load of scalars is spent in vain.
const MOST_CHANNELS: usize = 3;

/// The sizes with padded channels, where they are worth it.
fn padded(geometry: &ConvGeometry, sizes: &Sizes) -> Option<Sizes> {
    let applies = geometry.groups == 1 && sizes.c <= MOST_CHANNELS;
    let c = sizes.c.next_multiple_of(4);
    applies.then_some(Sizes { c, group_c: c, ..*sizes })
}

/// Copies the image into scratch buffer 0.
fn pad_image(sizes: &Sizes, caps: &Caps) -> Kernel {
    let rows = [sizes.in_pixels(), sizes.c];
    gemm::pad_columns(Operand::Input(0), Operand::Scratch(0), rows, caps)
}

/// The lowerings of a task on padded operands, with their names, and `last` behind each.
fn lowerings(task: &Task, last: Option<&Kernel>, caps: &Caps) -> Vec<Lowering> {
    let named = |mut lowering: Lowering| {
        lowering.variant.insert_str(0, PREFIX);
        lowering.kernels.extend(last.cloned());
        lowering
    };
    // Software gains nothing from them: one shows that they are right.
    let most = if caps.prefers_loops() { 1 } else { usize::MAX };
    task.lowerings(caps).into_iter().take(most).map(named).collect()
}

/// The convolution.
pub(super) fn forward(
    geometry: &ConvGeometry,
    sizes: &Sizes,
    tail: ProductTail,
    caps: &Caps,
) -> Vec<Lowering> {
    let Some(padded) = padded(geometry, sizes) else { return Vec::new() };
    let [image, weights] = [0, 1].map(Operand::Scratch);
    let runs = [sizes.kh * sizes.kw, sizes.c * sizes.oc, padded.c * sizes.oc];
    let task = Task {
        a: image,
        b: weights,
        tail,
        before: vec![
            pad_image(sizes, caps),
            gemm::pad_runs(Operand::Input(1), weights, runs, caps),
        ],
        scratch: vec![bytes(padded.in_pixels() * padded.c), bytes(padded.weights())],
        ..of_windows(Form::Rows, geometry, &padded)
    };
    lowerings(&task, None, caps)
}

/// The weight gradient, of which the channels of zeros are left out at the end.
pub(super) fn weight_grad(geometry: &ConvGeometry, sizes: &Sizes, caps: &Caps) -> Vec<Lowering> {
    let Some(padded) = padded(geometry, sizes) else { return Vec::new() };
    let [image, weights] = [0, 1].map(Operand::Scratch);
    let task = Task {
        a: image,
        y: weights,
        before: vec![pad_image(sizes, caps)],
        scratch: vec![bytes(padded.in_pixels() * padded.c), bytes(padded.weights())],
        ..of_windows(Form::Columns, geometry, &padded)
    };
    let lanes = Lanes::fitting(sizes.oc)[0];
    let run = sizes.c * sizes.oc / lanes.count();
    let crop = lanes
        .declare(Kernel::new("copy_runs"))
        .constant("RUN", run)
        .constant("X_PITCH", padded.c * sizes.oc / lanes.count())
        .constant("X_OFFSET", 0)
        .constant("Y_PITCH", run)
        .constant("Y_OFFSET", 0)
        .flat(sizes.kh * sizes.kw * run, 64, caps)
        .file(include_str!("../../../../shaders/layout/copy_runs.wgsl"))
        .read(weights)
        .write(Operand::Output(0));
    lowerings(&task, Some(&crop), caps)
}

fn bytes(elements: usize) -> usize {
    elements * size_of::<f32>()
}
