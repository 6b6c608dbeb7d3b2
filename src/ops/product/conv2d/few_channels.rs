//! Convolutions of inputs with few channels, such as images, by subgroups.

use super::geometry::Sizes;
use super::{Conv2d, Conv2dWeightGrad, ConvGeometry};
use crate::graph::{Caps, Kernel, Lowering, Operand};
use crate::ops::product::gemm;
use crate::ops::product::gemm::{Task, VECTOR, for_each};
use crate::ops::product::tail::ProductTail;

const VARIANT: &str = "subgroup_few_channels";

/// How windows and segments are unrolled. A window has one weight vector for each of its values.
struct Unrolled {
    lanes: usize,
    /// Rows of a window.
    kh: usize,
    /// Values of one row of a window, as offsets from the window's left edge.
    row: Vec<usize>,
    /// Values between two windows.
    step: usize,
    /// Output pixels of a segment.
    segment: usize,
    segments_per_row: usize,
    segments: usize,
    /// Workgroups along the output channels.
    n_tiles: usize,
}

impl Unrolled {
    fn new(geometry: &ConvGeometry, sizes: &Sizes, caps: &Caps) -> Option<Self> {
        /// Above this a kernel would hold more weight vectors than fit the first-level cache with
        /// everything else, and unrolled code grows long.
        const MAX_WINDOW: usize = 80;
        /// Above this, channels are better read as vectors.
        const MAX_CHANNELS: usize = 4;
        /// Products that are unrolled at most.
        const MAX_PRODUCTS: usize = 600;
        /// Values that are loaded and shuffled for them at most.
        const MAX_VALUES: usize = 2000;
        let lanes = gemm::shuffling_lanes(caps)?;
        let window = sizes.kh * sizes.kw * sizes.c;
        let few = sizes.c <= MAX_CHANNELS && window <= MAX_WINDOW;
        if !few || geometry.groups != 1 || !sizes.oc.is_multiple_of(4) {
            return None;
        }
        let per_row = sizes.ow.div_ceil((MAX_PRODUCTS / window).min(32));
        // A far stretched window touches more values than it uses.
        let reach = (sizes.ow.div_ceil(per_row) - 1) * geometry.stride[1]
            + (sizes.kw - 1) * geometry.dilation[1]
            + 1;
        if sizes.kh * reach * sizes.c > MAX_VALUES {
            return None;
        }
        let taps = (0..sizes.kw).flat_map(|kx| (0..sizes.c).map(move |c| (kx, c)));
        Some(Self {
            lanes,
            kh: sizes.kh,
            row: taps.map(|(kx, c)| kx * geometry.dilation[1] * sizes.c + c).collect(),
            step: geometry.stride[1] * sizes.c,
            segment: sizes.ow.div_ceil(per_row),
            segments_per_row: per_row,
            segments: sizes.n * sizes.oh * per_row,
            n_tiles: (sizes.oc / 4).div_ceil(lanes),
        })
    }

    fn window(&self) -> usize {
        self.kh * self.row.len()
    }

    /// Prelude and helpers of a kernel that is run by `tiles` workgroups, each of which handles
    /// `per_tile` segments.
    fn prelude(&self, kernel: Kernel, per_tile: usize, tiles: usize, caps: &Caps) -> Kernel {
        kernel
            .constant("LANES", self.lanes)
            .constant("WINDOW", self.window())
            .constant("SEGMENT_W", self.segment)
            .constant("SEGMENTS_PER_ROW", self.segments_per_row)
            .constant("SEGMENTS", self.segments)
            .constant("SEGMENTS_PER_TILE", per_tile)
            .constant("N_TILES", self.n_tiles)
            .tiles(tiles, caps)
            .file(include_str!("../../../../shaders/product/conv2d_few_channels.wgsl"))
    }

    /// Lines that load the input values of a segment: `s{ky}_{i}`, counted from the left edge.
    fn values(&self) -> String {
        let last = self.row.iter().max().copied().unwrap_or(0);
        let values = (self.segment - 1) * self.step + last + 1;
        for_each(self.kh, &|ky| {
            let loads = for_each(values.div_ceil(self.lanes), &|i| {
                let first = i * self.lanes;
                format!("    let v{ky}_{i} = load_x(segment, {ky}u, {first}u + lane);\n")
            });
            let shuffles = for_each(values, &|i| {
                let (vector, source) = (i / self.lanes, i % self.lanes);
                format!("    let s{ky}_{i} = subgroupShuffle(v{ky}_{vector}, {source}u);\n")
            });
            loads + &shuffles
        })
    }

    /// Name of the input value that the window of output pixel `x` has at `tap`.
    fn value(&self, x: usize, tap: usize) -> String {
        let (ky, i) = (tap / self.row.len(), tap % self.row.len());
        format!("s{ky}_{}", x * self.step + self.row[i])
    }

    /// The kernel's `main`: `before` and `after` the loop over segments, and its `body`.
    fn main(&self, before: &str, body: &str, after: &str) -> String {
        let values = self.values();
        format!(
            "
@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(subgroup_invocation_id) lane: u32,
) {{
  let tile = flat_workgroup(workgroup_id, num_workgroups);
  if tile >= TILES {{ return; }}
  let column4 = tile % N_TILES * LANES + lane;
  let share = tile / N_TILES;
  let end = min((share + 1u) * SEGMENTS_PER_TILE, SEGMENTS);
{before}  for (var i = share * SEGMENTS_PER_TILE; i < end; i += 1u) {{
    let segment = segment_at(i);
{values}{body}  }}
{after}}}
"
        )
    }

    /// `main` of the convolution: weights stay, every output pixel is finished at once.
    fn forward_main(&self) -> String {
        let weights =
            for_each(self.window(), &|k| format!("  let w{k} = load_w({k}u, column4);\n"));
        let pixels = for_each(self.segment, &|x| {
            let products: Vec<String> =
                (0..self.window()).map(|k| format!("w{k} * {}", self.value(x, k))).collect();
            format!("    store(segment, {x}u, column4, {} + bias4);\n", products.join(" + "))
        });
        let bias = "  let bias4 = bias_of_four(min(column4, OUT_C / 4u - 1u));\n";
        self.main(&(weights + bias), &pixels, "")
    }

    /// `main` of the weight gradient: sums stay, four output pixels are added at once.
    fn weight_grad_main(&self) -> String {
        let sums = for_each(self.window(), &|k| format!("  var dw{k} = vec4<f32>();\n"));
        let body = for_each(self.segment.div_ceil(4), &|quad| {
            let pixels = 4 * quad..(4 * quad + 4);
            let of_pixels = |missing: &str, text: &dyn Fn(usize) -> String| -> String {
                let text = |x| if x < self.segment { text(x) } else { missing.to_owned() };
                pixels.clone().map(text).collect::<Vec<_>>().join(", ")
            };
            let dy = of_pixels("vec4<f32>()", &|x| format!("load_dy(segment, {x}u, column4)"));
            let products = for_each(self.window(), &|k| {
                let x =
                    of_pixels("0.0", &|x| format!("within(segment, {x}u, {})", self.value(x, k)));
                format!("    dw{k} += dy{quad} * vec4<f32>({x});\n")
            });
            format!("    let dy{quad} = mat4x4<f32>({dy});\n{products}")
        });
        let stores =
            for_each(self.window(), &|k| format!("  store(share, {k}u, column4, dw{k});\n"));
        self.main(&sums, &body, &stores)
    }
}

/// Segments of output pixels times output channels.
pub(super) fn forward(op: &Conv2d, sizes: &Sizes, caps: &Caps) -> Option<Lowering> {
    /// Segments for which a workgroup loads its weights once.
    const SEGMENTS_PER_TILE: usize = 8;
    let unrolled = Unrolled::new(&op.geometry, sizes, caps)?;
    let tiles = unrolled.segments.div_ceil(SEGMENTS_PER_TILE) * unrolled.n_tiles;
    let constants = sizes.constants(&op.geometry);
    let kernel = gemm::with_constants(Kernel::new("conv2d_few_channels_forward"), &constants);
    let operands =
        [(Operand::Input(0), "f32"), (Operand::Input(1), VECTOR), (Operand::Output(0), VECTOR)];
    let kernel = gemm::with_operands(kernel, operands, op.tail())
        .file(include_str!("../../../../shaders/common/epilogue.wgsl"));
    let kernel = unrolled
        .prelude(kernel, SEGMENTS_PER_TILE, tiles, caps)
        .file(include_str!("../../../../shaders/product/conv2d_few_channels_forward.wgsl"))
        .file(&unrolled.forward_main());
    Some(Lowering::single(VARIANT, kernel))
}

/// Shares of segments times output channels.
pub(super) fn weight_grad(
    op: &Conv2dWeightGrad,
    task: &Task,
    sizes: &Sizes,
    caps: &Caps,
) -> Option<Lowering> {
    /// Workgroups that occupy a device with few cores.
    const WANTED_TILES: usize = 32;
    const LEAST_SEGMENTS: usize = 32;
    let unrolled = Unrolled::new(&op.geometry, sizes, caps)?;
    let splits = gemm::splits(unrolled.segments, LEAST_SEGMENTS, unrolled.n_tiles, WANTED_TILES);
    let per_tile = unrolled.segments.div_ceil(splits);
    let kernel =
        gemm::with_constants(Kernel::new("conv2d_few_channels_weight_grad"), &task.constants);
    let operands = [(task.a, "f32"), (task.b, VECTOR), (task.result(splits), VECTOR)];
    let kernel = gemm::with_operands(kernel, operands, ProductTail::default());
    let kernel = unrolled
        .prelude(kernel, per_tile, splits * unrolled.n_tiles, caps)
        .file(include_str!("../../../../shaders/product/conv2d_few_channels_weight_grad.wgsl"))
        .file(&unrolled.weight_grad_main());
    Some(task.lowering(VARIANT, kernel, splits, caps))
}
