//! Convolutions in which each output channel reads one input channel: as many groups as input
//! channels. There is nothing to share between channels, so these are no products of matrices.

use std::collections::BTreeSet;

use super::geometry::Sizes;
use super::{Conv2d, Conv2dInputGrad, Conv2dWeightGrad, ConvGeometry};
use crate::graph::{Caps, Kernel, Lowering, Operand, Work};
use crate::ops::kit::Lanes;
use crate::ops::product::gemm;
use crate::ops::product::gemm::{Task, for_each};
use crate::ops::product::tail::ProductTail;

const VARIANT: &str = "depthwise";
/// Adjacent output pixels of one invocation of the convolution.
const PIXELS: usize = 4;

/// Whether each output channel reads one input channel of several.
pub(super) fn applies(sizes: &Sizes) -> bool {
    sizes.group_c == 1 && sizes.c > 1
}

/// The channels that one invocation handles, where each output channel reads one input channel.
fn lanes_of(sizes: &Sizes) -> Option<Lanes> {
    let in_fours = sizes.group_oc == 1 && sizes.c.is_multiple_of(4);
    applies(sizes).then_some(if in_fours { Lanes::Four } else { Lanes::One })
}

/// Type of elements of as many channels.
fn type_of(lanes: Lanes) -> &'static str {
    gemm::width_of(lanes.count())
}

fn constants(kernel: Kernel, geometry: &ConvGeometry, sizes: &Sizes, lanes: Lanes) -> Kernel {
    gemm::with_constants(kernel, &sizes.constants(geometry))
        .constant("IN_CHANNELS", sizes.c / lanes.count())
        .constant("CHANNELS", sizes.oc / lanes.count())
        .constant("MULTIPLIER", sizes.group_oc)
}

pub(super) fn forward(op: &Conv2d, sizes: &Sizes, caps: &Caps) -> Option<Lowering> {
    /// Above this, unrolled code grows long.
    const MAX_WIDTH: usize = 11;
    let lanes = lanes_of(sizes).filter(|_| sizes.kw <= MAX_WIDTH)?;
    let operands = [Operand::Input(0), Operand::Input(1), Operand::Output(0)];
    let kernel = constants(Kernel::new("depthwise_conv2d"), &op.geometry, sizes, lanes);
    let operands = operands.map(|operand| (operand, type_of(lanes)));
    let segments = sizes.ow.div_ceil(PIXELS);
    let invocations = sizes.n * sizes.oh * segments * (sizes.oc / lanes.count());
    let columns = columns_of(&op.geometry, sizes).len();
    let kernel = gemm::with_operands(kernel, operands, op.tail())
        .constant("PIXELS", PIXELS)
        .constant("SEGMENTS", segments)
        .flat(invocations, 64, caps)
        .work(Work::of_loads(invocations, 64, sizes.kh * (columns + sizes.kw)))
        .file(lanes.epilogue_file())
        .file(include_str!("../../../../shaders/product/depthwise_conv2d.wgsl"))
        .file(&forward_main(&op.geometry, sizes));
    Some(Lowering::single(VARIANT, kernel))
}

/// Columns of the input that the adjacent output pixels of one invocation read.
fn columns_of(geometry: &ConvGeometry, sizes: &Sizes) -> BTreeSet<usize> {
    let [stride, dilation] = [geometry.stride[1], geometry.dilation[1]];
    let taps = |pixel| (0..sizes.kw).map(move |kx| pixel * stride + kx * dilation);
    (0..PIXELS).flat_map(taps).collect()
}

/// `main` of the convolution: a row of the input is loaded once for all pixels and taps.
fn forward_main(geometry: &ConvGeometry, sizes: &Sizes) -> String {
    let [stride, dilation] = [geometry.stride[1], geometry.dilation[1]];
    let loads: String = columns_of(geometry, sizes)
        .iter()
        .map(|x| format!("    let x{x} = load_x(n, iy, first_x + {x}u, channel);\n"))
        .collect();
    let products = for_each(sizes.kw, &|kx| {
        let weight = format!("    let w{kx} = b[(ky * KERNEL_W + {kx}u) * CHANNELS + channel];\n");
        let products = for_each(PIXELS, &|pixel| {
            format!("    sum{pixel} += x{} * w{kx};\n", pixel * stride + kx * dilation)
        });
        weight + &products
    });
    let sums = for_each(PIXELS, &|pixel| format!("  var sum{pixel} = FLOATS();\n"));
    let stores =
        for_each(PIXELS, &|pixel| format!("  store(n, oy, ox + {pixel}u, channel, sum{pixel});\n"));
    format!(
        "
@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {{
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS {{ return; }}
  let channel = i % CHANNELS;
  let ox = i / CHANNELS % SEGMENTS * PIXELS;
  let oy = i / (CHANNELS * SEGMENTS) % OUT_H;
  let n = i / (CHANNELS * SEGMENTS * OUT_H);
  let first_x = ox * STRIDE_W - PAD_LEFT;
{sums}  for (var ky = 0u; ky < KERNEL_H; ky += 1u) {{
    let iy = oy * STRIDE_H + ky * DILATION_H - PAD_TOP;
{loads}{products}  }}
{stores}}}
"
    )
}

pub(super) fn input_grad(op: &Conv2dInputGrad, sizes: &Sizes, caps: &Caps) -> Option<Lowering> {
    let lanes = lanes_of(sizes)?;
    let kernel = Kernel::new("depthwise_conv2d_input_grad");
    let operands = [Operand::Input(0), Operand::Input(1), Operand::Output(0)];
    let invocations = sizes.in_pixels() * sizes.c / lanes.count();
    let loads = 2 * sizes.kh * sizes.kw * sizes.group_oc;
    let kernel = constants(kernel, &op.geometry, sizes, lanes)
        .flat(invocations, 64, caps)
        .work(Work::of_loads(invocations, 64, loads));
    let kernel = gemm::with_operands(kernel, operands.map(|o| (o, type_of(lanes))), op.tail())
        .file(include_str!("../../../../shaders/product/depthwise_conv2d_input_grad.wgsl"));
    Some(Lowering::single(VARIANT, kernel))
}

pub(super) fn weight_grad(
    op: &Conv2dWeightGrad,
    task: &Task,
    sizes: &Sizes,
    caps: &Caps,
) -> Option<Lowering> {
    /// Invocations that occupy a GPU of medium size.
    const WANTED_INVOCATIONS: usize = 1 << 14;
    const LEAST_PIXELS: usize = 64;
    let lanes = lanes_of(sizes)?;
    let weights = sizes.weights() / lanes.count();
    let splits = gemm::splits(sizes.out_pixels(), LEAST_PIXELS, weights, WANTED_INVOCATIONS);
    let pixels = sizes.out_pixels().div_ceil(splits);
    let kernel = Kernel::new("depthwise_conv2d_weight_grad");
    let kernel = constants(kernel, &op.geometry, sizes, lanes)
        .constant("PIXELS_PER_SPLIT", pixels)
        .flat(splits * weights, 64, caps)
        .work(Work::of_loads(splits * weights, 64, 2 * pixels));
    let operands = [task.a, task.b, task.result(splits)].map(|o| (o, type_of(lanes)));
    let kernel = gemm::with_operands(kernel, operands, ProductTail::default())
        .file(include_str!("../../../../shaders/product/depthwise_conv2d_weight_grad.wgsl"));
    Some(task.lowering(VARIANT, kernel, splits, caps))
}
