//! Products summed over the rows of both factors, shared by the lanes of a subgroup.

use super::{Product, for_each, for_pairs};
use crate::graph::{Caps, Kernel};

/// `y[tap, k, n] = f(sum_m a[row(m), tap, k] b[m, n] + bias[n])`, by subgroups: weight gradients.
///
/// One workgroup is one subgroup. Each lane owns `columns4` vectors of four columns, for as many
/// `k` as the lanes load at once: they load adjacent vectors of `a` and exchange them by shuffles.
/// The sum is cut into `splits` shares of rows.
#[derive(Debug, Clone, Copy)]
pub struct ColumnTile {
    /// Vectors of four columns of one lane.
    pub columns4: usize,
}

/// Rows whose products are added at once, so that a sum is touched once for all of them.
const ROWS_AT_ONCE: usize = 4;
const COMPONENTS: [&str; 4] = ["x", "y", "z", "w"];

impl ColumnTile {
    /// The tile for `n` columns: no more lanes idle than must be.
    pub fn for_columns(n: usize, lanes: usize) -> Self {
        Self { columns4: if n > 4 * lanes { 2 } else { 1 } }
    }

    /// Name of the variant.
    pub fn variant(self) -> String {
        format!("subgroup_columns_{}", 4 * self.columns4)
    }

    /// Workgroups of one share.
    pub fn tiles(self, product: &Product, lanes: usize) -> usize {
        let k_tiles = (product.tap_k / 4).div_ceil(lanes);
        let n_tiles = (product.n / 4).div_ceil(lanes * self.columns4);
        product.taps * product.groups * k_tiles * n_tiles
    }

    /// The kernel for `product`, on subgroups of `lanes`. The caller has added its
    /// constants and operands, as vectors of four.
    pub fn finish(
        self,
        kernel: Kernel,
        product: &Product,
        splits: usize,
        lanes: usize,
        caps: &Caps,
    ) -> Kernel {
        kernel
            .constant("LANES", lanes)
            .constant("ROWS_PER_SPLIT", product.m.div_ceil(splits))
            .constant("K_TILES", (product.tap_k / 4).div_ceil(lanes))
            .constant("N_TILES", (product.n / 4).div_ceil(lanes * self.columns4))
            .tiles(splits * self.tiles(product, lanes), caps)
            .file(include_str!("../../../shaders/common/epilogue.wgsl"))
            .file(include_str!("../../../shaders/gemm/subgroup_columns.wgsl"))
            .file(&self.main(lanes))
    }

    fn main(self, lanes: usize) -> String {
        let columns4 = self.columns4;
        let rows = |line: &dyn Fn(usize) -> String| for_each(ROWS_AT_ONCE, line);
        let all_rows = |line: &dyn Fn(usize) -> String| -> String {
            (0..ROWS_AT_ONCE).map(line).collect::<Vec<_>>().join(", ")
        };
        let tile = |line: &dyn Fn(usize, usize) -> String| for_pairs(4 * lanes, columns4, line);
        let sums = tile(&|k, j| format!("  var y{k}_{j} = vec4<f32>();\n"));
        let clamped = for_each(columns4, &|j| {
            format!("  let b_column{j} = group * N4 + min(n + {j}u * LANES, N4 - 1u);\n")
        });
        let loads = rows(&|i| {
            format!(
                "    let tap{i} = tap_of(m + {i}u, end, tap);\n    \
                 let a{i} = load_a(tap{i}, group, k4 + lane);\n"
            )
        });
        let columns = for_each(columns4, &|j| {
            let b = all_rows(&|i| format!("load_b(tap{i}, m + {i}u, b_column{j})"));
            format!("    let b{j} = mat4x4<f32>({b});\n")
        });
        let products = for_each(lanes, &|source| {
            let shuffles =
                rows(&|i| format!("    let s{source}_{i} = subgroupShuffle(a{i}, {source}u);\n"));
            let products = for_pairs(4, columns4, &|c, j| {
                let s = all_rows(&|i| format!("s{source}_{i}.{}", COMPONENTS[c]));
                format!("    y{}_{j} += b{j} * vec4<f32>({s});\n", 4 * source + c)
            });
            shuffles + &products
        });
        let stores = tile(&|k, j| {
            format!("  store(split, tap, 4u * k4 + {k}u, group, n + {j}u * LANES, y{k}_{j});\n")
        });
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
  let n = tile % N_TILES * {columns4}u * LANES + lane;
  let k4 = tile / N_TILES % K_TILES * LANES;
  let tap = tile / (N_TILES * K_TILES) % TAPS;
  let group = tile / (N_TILES * K_TILES * TAPS) % GROUPS;
  let split = tile / (N_TILES * K_TILES * TAPS * GROUPS);
  let end = min((split + 1u) * ROWS_PER_SPLIT, M);
{clamped}{sums}
  for (var m = split * ROWS_PER_SPLIT; m < end; m += {ROWS_AT_ONCE}u) {{
{loads}{columns}{products}  }}
{stores}}}
"
        )
    }
}
