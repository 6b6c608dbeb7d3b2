//! Input gradients of strided convolutions as dense products, by phase.
//!
//! Along one direction, `i + before = stride q + phase` and `k = stride j + phase'` belong to window
//! `q - j` where the phases are equal: the pixels of one `q` read the same windows, each pixel with
//! the taps of its phase. So all pixels of a block `q` are columns of one product, whose row is the
//! windows that reach the block: a convolution of `dy` with stride 1. Phases of the kernel that have
//! fewer taps than others are filled up with zeros.

use super::geometry::Sizes;
use super::windows::of_windows;
use super::{Conv2dInputGrad, ConvGeometry, depthwise};
use crate::graph::{Caps, Kernel, Lowering, Operand};
use crate::ops::kit::Lanes;
use crate::ops::product::gemm;
use crate::ops::product::gemm::{Blocks, Form, Task};

/// Blocks along one direction.
struct Axis {
    /// Windows that reach a block.
    taps: usize,
    blocks: usize,
    /// Windows before the first one that the first block is given.
    padding: usize,
    /// Pixels of the first block before the first of the image.
    outside: usize,
}

impl Axis {
    fn new(stride: usize, kernel: usize, before: usize, input: usize) -> Self {
        let taps = kernel.div_ceil(stride);
        // The block of the first pixel, or one before it where all its windows would come late.
        let first = (before / stride).min(taps - 1);
        Self {
            taps,
            blocks: (before + input).div_ceil(stride) - first,
            padding: taps - 1 - first,
            outside: before - first * stride,
        }
    }
}

/// The product by phase, where it takes fewer multiply-adds than `plain`.
pub(super) fn task(op: &Conv2dInputGrad, sizes: &Sizes, plain: &Task, caps: &Caps) -> Option<Task> {
    let &Sizes { n, h, w, kh, kw, oh, ow, oc, group_c, group_oc, .. } = sizes;
    let ConvGeometry { stride, padding: [top, _, left, _], dilation, groups } = op.geometry;
    // Taps of dilated kernels miss some phases.
    if dilation != [1, 1] || depthwise::applies(sizes) {
        return None;
    }
    let phases = stride[0] * stride[1];
    let [y, x] = [Axis::new(stride[0], kh, top, h), Axis::new(stride[1], kw, left, w)];
    let dense =
        ConvGeometry { padding: [y.padding, 0, x.padding, 0], groups, ..Default::default() };
    let columns = phases * group_c;
    let of_dy = Sizes {
        n,
        h: oh,
        w: ow,
        c: oc,
        kh: y.taps,
        kw: x.taps,
        oh: y.blocks,
        ow: x.blocks,
        oc: groups * columns,
        group_c: group_oc,
        group_oc: columns,
    };
    if of_dy.product(&dense).multiply_adds() >= plain.product.multiply_adds() {
        return None;
    }
    let [by_phase, swapped] = [0, 1].map(Operand::Scratch);
    let axes = [y.taps * x.taps, columns, groups, group_oc];
    Some(Task {
        b: swapped,
        tail: op.tail(),
        before: vec![
            weights_by_phase(op, sizes, [y.taps, x.taps], by_phase, caps),
            gemm::swap_axes(by_phase, swapped, axes, caps),
        ],
        scratch: vec![of_dy.weights() * size_of::<f32>(); 2],
        blocks: Some(Blocks {
            image: [h, w],
            channels: group_c,
            block: stride,
            grid: [y.blocks, x.blocks],
            outside: [y.outside, x.outside],
        }),
        ..of_windows(Form::Rows, &dense, &of_dy)
    })
}

/// The weights as `[taps, phases, c, oc]`.
fn weights_by_phase(
    op: &Conv2dInputGrad,
    sizes: &Sizes,
    taps: [usize; 2],
    y: Operand,
    caps: &Caps,
) -> Kernel {
    let [stride_h, stride_w] = op.geometry.stride;
    let tap = sizes.group_c * sizes.oc;
    let lanes = if tap.is_multiple_of(4) { Lanes::Four } else { Lanes::One };
    let run = tap / lanes.count();
    let constants = [
        ("KERNEL_H", sizes.kh),
        ("KERNEL_W", sizes.kw),
        ("STRIDE_H", stride_h),
        ("STRIDE_W", stride_w),
        ("TAPS_Y", taps[0]),
        ("TAPS_X", taps[1]),
        ("RUN", run),
    ];
    gemm::with_constants(lanes.declare(Kernel::new("phase_weights")), &constants)
        .flat(taps[0] * taps[1] * stride_h * stride_w * run, 64, caps)
        .file(include_str!("../../../../shaders/product/phase_weights.wgsl"))
        .read(Operand::Input(1))
        .write(y)
}

/// The lowerings of the product by phase, by their names, before those of the plain one.
pub(super) fn before(by_phase: Vec<Lowering>, plain: Vec<Lowering>) -> Vec<Lowering> {
    let named = |lowering: Lowering| {
        let variant = format!("{}_phases", lowering.variant);
        Lowering { variant, ..lowering }
    };
    by_phase.into_iter().map(named).chain(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each pixel lies in one block, whose taps are its windows, each once.
    #[test]
    fn blocks_have_every_window_of_their_pixels() {
        const INPUT: usize = 9;
        let all = (1..5).flat_map(|s| (1..8).flat_map(move |k| (0..9).map(move |p| (s, k, p))));
        for (stride, kernel, before) in all {
            let geometry = ConvGeometry {
                stride: [stride; 2],
                padding: [before, kernel, 0, 0],
                ..Default::default()
            };
            let [windows, _] = geometry.output("", [INPUT; 2], [kernel, 1]).expect("it fits");
            let axis = Axis::new(stride, kernel, before, INPUT);
            let mut pixels = Vec::new();
            for (block, phase) in (0..axis.blocks).flat_map(|b| (0..stride).map(move |p| (b, p))) {
                let pixel = (block * stride + phase).checked_sub(axis.outside);
                let Some(pixel) = pixel.filter(|&pixel| pixel < INPUT) else { continue };
                pixels.push(pixel);
                let by_phase = (0..axis.taps).filter_map(|tap| {
                    let k = (axis.taps - 1 - tap) * stride + phase;
                    let window = (block + tap).checked_sub(axis.padding)?;
                    (k < kernel && window < windows).then_some((k, window))
                });
                let window_of = |k| Some((k, geometry.window_of(0, pixel, k, windows)?));
                let expected = (0..kernel).rev().filter_map(window_of);
                assert!(by_phase.eq(expected), "{stride} {kernel} {before}: pixel {pixel}");
            }
            assert!(pixels.into_iter().eq(0..INPUT), "{stride} {kernel} {before}");
        }
    }

    /// With shares of the sum for vectors and scalars; not where the plain sum visits no tap in vain.
    #[test]
    fn it_is_offered_where_it_saves_products() {
        let variants = |stride, kernel: usize, channels: usize| {
            let geometry = ConvGeometry::new(stride, kernel / 2);
            let op = Conv2dInputGrad::new(geometry.clone(), [8, 8]);
            let sizes = Sizes::new("", &geometry, [1, 8, 8, channels], [kernel; 2], 64);
            let caps = Caps::webgpu_default();
            let mut all = super::super::gpu::input_grad(&op, &sizes.expect("valid shapes"), &caps);
            all.retain(|lowering| lowering.variant.ends_with("_phases"));
            all
        };
        let has_shares = |lowering: &Lowering| {
            lowering.kernels.last().is_some_and(|kernel| kernel.name == "sum_splits")
        };
        for channels in [3, 4] {
            assert!(variants(2, 3, channels).iter().any(has_shares), "{channels} channels");
            for (stride, kernel) in [(1, 3), (2, 1)] {
                assert!(variants(stride, kernel, channels).is_empty(), "{stride} {kernel}");
            }
        }
    }
}
