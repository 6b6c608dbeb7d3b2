//! Products whose left rows are read along the sum, shared by the lanes of a subgroup.

use super::chunks::Rows;
use super::{Product, chunks, for_each, for_pairs};
use crate::graph::{Caps, Kernel};

/// `y[m, n] = f(sum_k a[row(m), k] b[k, n] + bias[n])`, by subgroups.
///
/// One workgroup is one subgroup, whose lanes lie along `n`; where there are fewer columns than
/// lanes, they form several rows of lanes. Each lane computes `rows` rows of `columns4` vectors of
/// four columns. For every row the lanes load vectors at different `k` and exchange them by
/// shuffles, so that each is loaded once per subgroup. Few loads for many multiplications, no
/// barriers: for devices on which a load costs as much as dozens of multiplications, such as
/// software rasterizers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowTile {
    /// Rows of one lane.
    pub rows: usize,
    /// Vectors of four columns of one lane.
    pub columns4: usize,
}

impl RowTile {
    /// Every tile that is worth trying for `product`, best guess first: no more lanes idle than
    /// must be.
    pub fn candidates(product: &Product, lanes: usize) -> Vec<Self> {
        /// Workgroups below which smaller tiles occupy a device better.
        const LEAST_TILES: usize = 8;
        /// Multiply-adds above which the second that it takes to compile the largest tile pays.
        const LARGE: usize = 1 << 24;
        let tile = |rows, columns4| Self { rows, columns4 };
        let wide = product.n > 4 * lanes;
        let mut tiles = if product.is_tiny() {
            vec![tile(8, 1), tile(16, 1)]
        } else if product.is_small() {
            let widest = if wide { 2 } else { 1 };
            vec![tile(16, 1), tile(32, 1), tile(16, widest), tile(32, widest)]
        } else if wide {
            vec![tile(16, 2), tile(32, 2), tile(32, 1), tile(16, 1)]
        } else {
            vec![tile(32, 1), tile(16, 1)]
        };
        if product.multiply_adds() >= LARGE {
            tiles.push(tile(64, 1));
        }
        // Few rows fill small tiles only.
        tiles.retain(|tile| tile.row_step(product, lanes) < 2 * product.m);
        if tiles.iter().all(|tile| tile.tiles(product, lanes) < LEAST_TILES) {
            tiles.extend([tile(8, 1), tile(4, 1)]);
        }
        let mut seen = Vec::new();
        tiles.retain(|tile| {
            !seen.contains(tile) && {
                seen.push(*tile);
                true
            }
        });
        // A stable sort: tiles that make enough workgroups keep their order, before the others.
        tiles.sort_by_key(|tile| LEAST_TILES.saturating_sub(tile.tiles(product, lanes)));
        tiles.truncate(4);
        tiles
    }

    /// Lanes along the columns: a power of two, as many as there are vectors for.
    fn column_lanes(self, n: usize, lanes: usize) -> usize {
        n.div_ceil(4 * self.columns4).next_power_of_two().min(lanes)
    }

    /// Rows of a whole tile.
    fn row_step(self, product: &Product, lanes: usize) -> usize {
        self.rows * (lanes / self.column_lanes(product.n, lanes))
    }

    /// Tiles along the rows and along the columns.
    fn grid(self, product: &Product, lanes: usize) -> [usize; 2] {
        let columns = 4 * self.columns4 * self.column_lanes(product.n, lanes);
        [product.m.div_ceil(self.row_step(product, lanes)), product.n.div_ceil(columns)]
    }

    fn tiles(self, product: &Product, lanes: usize) -> usize {
        let [m_tiles, n_tiles] = self.grid(product, lanes);
        m_tiles * n_tiles * product.groups
    }

    /// Name of the variant.
    pub fn variant(self) -> String {
        format!("subgroup_{}x{}", self.rows, 4 * self.columns4)
    }

    /// The kernel for `product`, on subgroups of `lanes`. The caller has added its constants and
    /// operands, with `b` in vectors of four columns, and those of statistics where it is `chunked`:
    /// a chunk is the rows of one lane.
    pub fn finish(
        self,
        kernel: Kernel,
        product: &Product,
        chunked: bool,
        lanes: usize,
        caps: &Caps,
    ) -> Kernel {
        let [m_tiles, n_tiles] = self.grid(product, lanes);
        let column_lanes = self.column_lanes(product.n, lanes);
        kernel
            .constant("LANES", lanes)
            .constant("COLUMN_LANES", column_lanes)
            .constant("ROW_LANES", lanes / column_lanes)
            .constant("M_TILES", m_tiles)
            .constant("N_TILES", n_tiles)
            .tiles(self.tiles(product, lanes), caps)
            .file(include_str!("../../../../shaders/product/gemm/subgroup_rows.wgsl"))
            .file(&self.main(product, chunked))
    }

    fn main(self, product: &Product, chunked: bool) -> String {
        let terms = product.k();
        let rows = |line: &dyn Fn(usize) -> String| for_each(self.rows, line);
        let columns = |line: &dyn Fn(usize) -> String| for_each(self.columns4, line);
        let tile =
            |line: &dyn Fn(usize, usize) -> String| for_pairs(self.rows, self.columns4, line);
        let first_rows = rows(&|i| format!("  let row{i} = row_at(m + {i}u);\n"));
        let sums = tile(&|i, j| format!("  var y{i}_{j} = vec4<f32>();\n"));
        let loads =
            rows(&|i| format!("    let a{i} = a_vector(row{i}, group, k4 + column_lane);\n"));
        let shuffles =
            rows(&|i| format!("      let s{i} = subgroupShuffle(a{i}, first_lane + source);\n"));
        // Behind the end of the sum the left factor is zero: the last row does as well as any.
        let row_of_b = |k: usize| match terms % 4 {
            0 => format!("(k + {k}u)"),
            _ => format!("min(k + {k}u, {}u)", terms - 1),
        };
        let weights = columns(&|j| {
            let vectors: Vec<String> =
                (0..4).map(|k| format!("b[{} * GROUPS * N4 + b_column{j}]", row_of_b(k))).collect();
            format!("      let b{j} = mat4x4<f32>({});\n", vectors.join(", "))
        });
        let products = tile(&|i, j| format!("      y{i}_{j} += b{j} * s{i};\n"));
        let biases =
            columns(&|j| format!("  let bias{j} = bias_of(group, n + {j}u * COLUMN_LANES);\n"));
        let stores = tile(&|i, j| {
            format!("  store_row(m + {i}u, group, n + {j}u * COLUMN_LANES, y{i}_{j} + bias{j});\n")
        });
        let statistics = if chunked {
            let column = |j: usize| format!("n + {j}u * COLUMN_LANES");
            let all_exist = product.m.is_multiple_of(self.rows);
            let row = |i: usize| format!("0u + {i}u");
            let rows = Rows { count: self.rows, all_exist, row: &row };
            chunks::of_lanes(&rows, self.columns4, &column)
        } else {
            String::new()
        };
        let clamped = columns(&|j| {
            format!("  let b_column{j} = group * N4 + min(n + {j}u * COLUMN_LANES, N4 - 1u);\n")
        });
        let columns4 = self.columns4;
        let lane_rows = self.rows;
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
  let column_lane = lane % COLUMN_LANES;
  let first_lane = lane - column_lane;
  let m = (tile / N_TILES % M_TILES * ROW_LANES + lane / COLUMN_LANES) * {lane_rows}u;
  let n = tile % N_TILES * {columns4}u * COLUMN_LANES + column_lane;
  let group = tile / (N_TILES * M_TILES);
{first_rows}{clamped}{sums}
  for (var k4 = 0u; k4 < K4; k4 += COLUMN_LANES) {{
{loads}
    let sources = min(COLUMN_LANES, K4 - k4);
    for (var source = 0u; source < sources; source += 1u) {{
      let k = 4u * (k4 + source);
{shuffles}{weights}{products}
    }}
  }}
{biases}{stores}{statistics}}}
"
        )
    }
}
