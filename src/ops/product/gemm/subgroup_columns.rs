//! Products summed over the rows of both factors, shared by the lanes of a subgroup.

use super::{Product, for_each, for_pairs};
use crate::graph::{Caps, Kernel};

/// `y[k, n] = f(sum_m a[row(m), k] b[m, n] + bias[n])`, by subgroups: weight gradients.
///
/// One workgroup is one subgroup, whose lanes lie along `n`; where there are fewer columns than
/// lanes, they form several rows of lanes. Each lane owns `columns4` vectors of four columns, for as
/// many `k` as its row of lanes loads at once: they load adjacent vectors of `a` and exchange them
/// by shuffles. The sum is cut into shares of rows.
#[derive(Debug, Clone, Copy)]
pub struct ColumnTile {
    /// Vectors of four columns of one lane.
    pub columns4: usize,
    /// Lanes along the columns: a power of two.
    column_lanes: usize,
    /// Vectors of `a` that one lane loads at once.
    loads: usize,
}

/// Rows whose products are added at once, so that a sum is touched once for all of them.
const ROWS_AT_ONCE: usize = 4;
const COMPONENTS: [&str; 4] = ["x", "y", "z", "w"];

impl ColumnTile {
    /// Every tile that is worth trying for `product`, best guess first: no more lanes idle than
    /// must be.
    pub fn candidates(product: &Product, lanes: usize) -> Vec<Self> {
        let columns4: &[usize] = match product.n > 4 * lanes {
            true if product.is_small() => &[1, 2],
            true => &[2, 1],
            false => &[1],
        };
        columns4.iter().map(|&columns4| Self::new(columns4, product, lanes)).collect()
    }

    fn new(columns4: usize, product: &Product, lanes: usize) -> Self {
        let column_lanes = product.n.div_ceil(4 * columns4).next_power_of_two().min(lanes);
        // As many sums as lanes that all lie along the columns would have, if there are as many k.
        let loads = (lanes / column_lanes).min(product.k4().div_ceil(lanes));
        Self { columns4, column_lanes, loads }
    }

    /// Name of the variant.
    pub fn variant(self) -> String {
        format!("subgroup_columns_{}", 4 * self.columns4)
    }

    /// Tiles along `k` and along the columns.
    fn grid(self, product: &Product, lanes: usize) -> [usize; 2] {
        [
            product.k4().div_ceil(lanes * self.loads),
            product.n.div_ceil(4 * self.columns4 * self.column_lanes),
        ]
    }

    /// Workgroups of one share.
    pub fn tiles(self, product: &Product, lanes: usize) -> usize {
        let [k_tiles, n_tiles] = self.grid(product, lanes);
        k_tiles * n_tiles * product.groups
    }

    /// The kernel for `product`, on subgroups of `lanes`. The caller has added its constants and
    /// operands.
    pub fn finish(
        self,
        kernel: Kernel,
        product: &Product,
        splits: usize,
        lanes: usize,
        caps: &Caps,
    ) -> Kernel {
        let [k_tiles, n_tiles] = self.grid(product, lanes);
        kernel
            .constant("LANES", lanes)
            .constant("COLUMN_LANES", self.column_lanes)
            .constant("ROWS_PER_SPLIT", product.m.div_ceil(splits))
            .constant("K_TILES", k_tiles)
            .constant("N_TILES", n_tiles)
            .tiles(splits * self.tiles(product, lanes), caps)
            .file(include_str!("../../../../shaders/product/gemm/subgroup_columns.wgsl"))
            .file(&self.main())
    }

    fn main(self) -> String {
        let Self { columns4, column_lanes, loads } = self;
        let rows = |line: &dyn Fn(usize) -> String| for_each(ROWS_AT_ONCE, line);
        let all_rows = |line: &dyn Fn(usize) -> String| -> String {
            (0..ROWS_AT_ONCE).map(line).collect::<Vec<_>>().join(", ")
        };
        // A lane's vectors of `a`, in the order in which the lanes of its row hold them.
        let vectors = loads * column_lanes;
        let tile = |line: &dyn Fn(usize, usize) -> String| for_pairs(4 * vectors, columns4, line);
        let sums = tile(&|k, j| format!("  var y{k}_{j} = vec4<f32>();\n"));
        let load_rows = rows(&|i| {
            let load = for_each(loads, &|load| {
                format!("    let a{i}_{load} = a_vector(row{i}, group, k4 + {load}u * LANES);\n")
            });
            format!("    let row{i} = row_within(m + {i}u, end);\n{load}")
        });
        let load_columns = for_each(columns4, &|j| {
            let column = format!("n + {j}u * COLUMN_LANES");
            let b = all_rows(&|i| format!("b_vector(m + {i}u, m + {i}u < end, group, {column})"));
            format!("    let b{j} = mat4x4<f32>({b});\n")
        });
        let products = for_each(vectors, &|vector| {
            let (load, source) = (vector / column_lanes, vector % column_lanes);
            let shuffles = rows(&|i| {
                format!(
                    "    let s{vector}_{i} = subgroupShuffle(a{i}_{load}, first_lane + {source}u);\n"
                )
            });
            let products = for_pairs(4, columns4, &|c, j| {
                let s = all_rows(&|i| format!("s{vector}_{i}.{}", COMPONENTS[c]));
                format!("    y{}_{j} += b{j} * vec4<f32>({s});\n", 4 * vector + c)
            });
            shuffles + &products
        });
        let biases = for_each(columns4, &|j| {
            format!("  let bias{j} = bias_of(group, n + {j}u * COLUMN_LANES);\n")
        });
        let stores = tile(&|k, j| {
            let (vector, component) = (k / 4, k % 4);
            let (load, source) = (vector / column_lanes, vector % column_lanes);
            let k4 = format!("first_k4 + first_lane + {load}u * LANES + {source}u");
            let k = format!("4u * ({k4}) + {component}u");
            format!(
                "  store_row(split, {k}, group, n + {j}u * COLUMN_LANES, y{k_}_{j} + bias{j});\n",
                k_ = 4 * vector + component
            )
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
  let column_lane = lane % COLUMN_LANES;
  let first_lane = lane - column_lane;
  let n = tile % N_TILES * {columns4}u * COLUMN_LANES + column_lane;
  let first_k4 = tile / N_TILES % K_TILES * {loads}u * LANES;
  let k4 = first_k4 + lane;
  let group = tile / (N_TILES * K_TILES) % GROUPS;
  let split = tile / (N_TILES * K_TILES * GROUPS);
  let end = min((split + 1u) * ROWS_PER_SPLIT, M);
{sums}
  for (var m = split * ROWS_PER_SPLIT; m < end; m += {ROWS_AT_ONCE}u) {{
{load_rows}{load_columns}{products}  }}
{biases}{stores}}}
"
        )
    }
}
