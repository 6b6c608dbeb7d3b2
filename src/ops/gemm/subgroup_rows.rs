//! Products whose left rows are read along the sum, shared by the lanes of a subgroup.

use super::{Product, for_each, for_pairs};
use crate::graph::{Caps, Kernel};

/// `y[m, n] = f(sum_{tap, k} a[row(m), tap, k] b[tap, k, n] + bias[n])`, by subgroups.
///
/// One workgroup is one subgroup and computes a tile of `rows` rows. Its lanes lie along `n`: each
/// owns `columns4` vectors of four columns. For every row the lanes load vectors at different `k`
/// and exchange them by shuffles, so that each is loaded once per subgroup. Few loads for many
/// multiplications, no barriers: for devices on which a load costs as much as dozens of
/// multiplications, such as software rasterisers.
#[derive(Debug, Clone, Copy)]
pub struct RowTile {
    /// Rows of a tile.
    pub rows: usize,
    /// Vectors of four columns of one lane.
    pub columns4: usize,
}

impl RowTile {
    /// The tile for `n` columns: no more lanes idle than must be.
    pub fn for_columns(n: usize, lanes: usize) -> Self {
        if n > 4 * lanes { Self { rows: 16, columns4: 2 } } else { Self { rows: 32, columns4: 1 } }
    }

    /// Name of the variant.
    pub fn variant(self) -> String {
        format!("subgroup_{}x{}", self.rows, 4 * self.columns4)
    }

    /// The kernel for `product`, on subgroups of `lanes`. The caller has added its
    /// constants and operands, as vectors of four.
    pub fn finish(self, kernel: Kernel, product: &Product, lanes: usize, caps: &Caps) -> Kernel {
        let m_tiles = product.m.div_ceil(self.rows);
        let n_tiles = (product.n / 4).div_ceil(lanes * self.columns4);
        kernel
            .constant("LANES", lanes)
            .constant("M_TILES", m_tiles)
            .constant("N_TILES", n_tiles)
            .tiles(m_tiles * n_tiles * product.groups, caps)
            .file(include_str!("../../../shaders/common/epilogue.wgsl"))
            .file(include_str!("../../../shaders/gemm/subgroup_rows.wgsl"))
            .file(&self.main())
    }

    fn main(self) -> String {
        let rows = |line: &dyn Fn(usize) -> String| for_each(self.rows, line);
        let columns = |line: &dyn Fn(usize) -> String| for_each(self.columns4, line);
        let tile =
            |line: &dyn Fn(usize, usize) -> String| for_pairs(self.rows, self.columns4, line);
        let first_rows = rows(&|i| format!("  let row{i} = row_at(m + {i}u);\n"));
        let sums = tile(&|i, j| format!("  var y{i}_{j} = vec4<f32>();\n"));
        let taps = rows(&|i| format!("    let tap{i} = tap_at(row{i}, tap);\n"));
        let loads = rows(&|i| format!("      let a{i} = load_a(tap{i}, group, k4 + lane);\n"));
        let shuffles = rows(&|i| format!("        let s{i} = subgroupShuffle(a{i}, source);\n"));
        let weights = columns(&|j| {
            let column = |k: usize| format!("b[b_row + {k}u * GROUPS * N4 + b_column{j}]");
            format!(
                "        let b{j} = mat4x4<f32>({}, {}, {}, {});\n",
                column(0),
                column(1),
                column(2),
                column(3)
            )
        });
        let products = tile(&|i, j| format!("        y{i}_{j} += b{j} * s{i};\n"));
        let stores =
            tile(&|i, j| format!("  store(m + {i}u, group, n + {j}u * LANES, y{i}_{j});\n"));
        let clamped = columns(&|j| {
            format!("  let b_column{j} = group * N4 + min(n + {j}u * LANES, N4 - 1u);\n")
        });
        let columns4 = self.columns4;
        let tile_rows = self.rows;
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
  let m = tile / N_TILES % M_TILES * {tile_rows}u;
  let n = tile % N_TILES * {columns4}u * LANES + lane;
  let group = tile / (N_TILES * M_TILES);
{first_rows}{clamped}{sums}
  for (var tap = 0u; tap < TAPS; tap += 1u) {{
{taps}
    for (var k4 = 0u; k4 < TAP_K4; k4 += LANES) {{
{loads}
      let sources = min(LANES, TAP_K4 - k4);
      for (var source = 0u; source < sources; source += 1u) {{
        let b_row = (tap * TAP_K4 + k4 + source) * 4u * GROUPS * N4;
{shuffles}{weights}{products}
      }}
    }}
  }}
{stores}}}
"
        )
    }
}
