//! Products in tiles of workgroup memory: any sizes, any device.

use super::{Form, Task, for_each, for_pairs, splits};
use crate::graph::{Caps, Kernel, Lowering};

/// What one workgroup computes, and each of its invocations.
///
/// Tiles of both factors lie in workgroup memory; an invocation holds a block of sums, so that each
/// number it loads from there is used several times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tile {
    /// Rows and columns of the result that one workgroup computes.
    rows: usize,
    columns: usize,
    /// Terms of the sum that lie in workgroup memory at once.
    depth: usize,
    /// Rows and columns of the result that one invocation computes; multiples of four.
    block: [usize; 2],
}

const fn tile(rows: usize, columns: usize, depth: usize, block: [usize; 2]) -> Tile {
    Tile { rows, columns, depth, block }
}

/// Every tile. Blocks of 8 x 8 keep the arithmetic of a GPU busy; smaller tiles leave less of a
/// small result empty, and make more workgroups.
const TILES: [Tile; 7] = [
    tile(256, 128, 16, [8, 8]),
    tile(128, 128, 16, [8, 8]),
    tile(128, 128, 8, [8, 8]),
    tile(128, 64, 16, [8, 4]),
    tile(64, 64, 16, [4, 4]),
    tile(32, 32, 16, [4, 4]),
    tile(64, 16, 16, [4, 4]),
];

/// Workgroups that a GPU of medium size runs at once.
const WORKGROUPS_AT_ONCE: usize = 64;
/// Workgroups into which a sum is cut where the result alone gives fewer.
const WANTED_TILES: usize = 2 * WORKGROUPS_AT_ONCE;
/// Fewest terms of one share of a sum.
const LEAST_TERMS: usize = 128;
const COMPONENTS: [&str; 4] = ["x", "y", "z", "w"];

/// The lowerings that the device has the workgroup memory for, best guess first.
pub(super) fn lowerings(task: &Task, caps: &Caps) -> Vec<Lowering> {
    let plans = TILES.into_iter().filter(|tile| tile.fits(caps));
    let mut plans: Vec<Plan> = plans.map(|tile| Plan::new(tile, task, caps)).collect();
    plans.sort_by_key(Plan::estimate);
    // Tiles that are mostly empty cost time to try; the best guess stays in any case.
    let best = plans.first().map(|plan| plan.tile);
    plans.retain(|plan| Some(plan.tile) == best || plan.fills_tiles(task));
    plans.iter().map(|plan| plan.lowering(task, caps)).collect()
}

impl Tile {
    fn fits(&self, caps: &Caps) -> bool {
        let bytes = self.depth * (self.rows + self.columns) * size_of::<f32>();
        let within = |count: usize, limit: u32| u32::try_from(count).is_ok_and(|n| n <= limit);
        within(bytes, caps.max_workgroup_storage)
            && within(self.invocations(), caps.max_invocations)
    }

    fn invocations(&self) -> usize {
        self.rows * self.columns / (self.block[0] * self.block[1])
    }

    /// Vectors of both factors that one invocation brings to workgroup memory.
    fn loads(&self) -> [usize; 2] {
        [self.rows, self.columns].map(|side| side * self.depth / 4 / self.invocations())
    }

    fn variant(&self) -> String {
        let Self { rows, columns, depth, block: [block_rows, block_columns] } = self;
        format!("tiled_{rows}x{columns}x{depth}_{block_rows}x{block_columns}")
    }
}

/// A tile on one product.
struct Plan {
    tile: Tile,
    /// Rows of the result.
    rows: usize,
    /// Terms of the sum, in the unit that it is cut by.
    terms: usize,
    /// Tiles along the rows and along the columns.
    grid: [usize; 2],
    /// Workgroups of one share.
    tiles: usize,
    /// Shares of the sum.
    splits: usize,
    /// Elements of the result.
    elements: usize,
}

impl Plan {
    fn new(tile: Tile, task: &Task, caps: &Caps) -> Self {
        let product = &task.product;
        let (rows, terms, least_terms) = match task.form {
            // The sum is cut between vectors of four terms.
            Form::Rows => (product.m, product.k4(), LEAST_TERMS / 4),
            Form::Columns => (product.k(), product.m, LEAST_TERMS),
        };
        let grid = [rows.div_ceil(tile.rows), product.n.div_ceil(tile.columns)];
        let tiles = grid[0] * grid[1] * product.groups;
        let elements = task.elements();
        let most_bytes = usize::try_from(caps.max_binding_bytes).unwrap_or(usize::MAX);
        let most_splits = most_bytes / (elements * size_of::<f32>()).max(1);
        let wanted = WANTED_TILES.min(tiles * most_splits.max(1));
        let splits = splits(terms, least_terms, tiles, wanted);
        Self { tile, rows, terms, grid, tiles, splits, elements }
    }

    /// Whether the result has as many rows, columns and elements as make the tile worth trying.
    fn fills_tiles(&self, task: &Task) -> bool {
        let Tile { rows, columns, .. } = self.tile;
        rows < 2 * self.rows && columns < 2 * task.product.n && rows * columns <= self.elements
    }

    /// A rough estimate of the time, in multiply-adds of one workgroup: those of the workgroups that
    /// one processor runs one after another, the more the less each loaded number is used, and the
    /// writing and adding of shares.
    fn estimate(&self) -> usize {
        /// Multiply-adds in the time of moving one number to or from memory.
        const PER_MOVE: usize = 16;
        let Tile { rows, columns, block: [block_rows, block_columns], .. } = self.tile;
        let turns = (self.tiles * self.splits).div_ceil(WORKGROUPS_AT_ONCE);
        let products = turns * rows * columns * self.terms.div_ceil(self.splits);
        // Two numbers are loaded for the sides of a block; relative to a block of 8 x 8.
        let products = products * 4 * (block_rows + block_columns) / (block_rows * block_columns);
        let moves = if self.splits > 1 { 2 * self.splits * self.elements } else { 0 };
        products + moves * PER_MOVE / WORKGROUPS_AT_ONCE
    }

    fn lowering(&self, task: &Task, caps: &Caps) -> Lowering {
        let Self { tile, splits, grid, .. } = *self;
        let (name, terms_name, tiles_name, main) = match task.form {
            Form::Rows => ("tiled_rows", "K4_PER_SPLIT", "M_TILES", tile.rows_main()),
            Form::Columns => ("tiled_columns", "ROWS_PER_SPLIT", "K_TILES", tile.columns_main()),
        };
        let file = match task.form {
            Form::Rows => include_str!("../../../shaders/gemm/tiled_rows.wgsl"),
            Form::Columns => include_str!("../../../shaders/gemm/tiled_columns.wgsl"),
        };
        let kernel = tile
            .constants(task.kernel(name, splits, false))
            .constant(terms_name, self.terms.div_ceil(splits))
            .constant(tiles_name, grid[0])
            .constant("N_TILES", grid[1])
            .tiles(self.tiles * splits, caps)
            .file(file)
            .file(&main);
        task.lowering(&tile.variant(), kernel, splits, caps)
    }
}

impl Tile {
    fn constants(&self, kernel: Kernel) -> Kernel {
        kernel
            .constant("TILE_ROWS", self.rows)
            .constant("TILE_N4", self.columns / 4)
            .constant("TILE_DEPTH", self.depth)
            .constant("INVOCATIONS", self.invocations())
            .constant("A_VECTORS", self.rows * self.depth / 4)
            .constant("B_VECTORS", self.columns * self.depth / 4)
            .constant("BLOCK_ROWS", self.block[0])
            // Invocations along the columns.
            .constant("INVOCATIONS_N", self.columns / self.block[1])
    }

    /// `main` where the left factor lies in memory along the sum.
    fn rows_main(&self) -> String {
        let [block_rows, columns4] = [self.block[0], self.block[1] / 4];
        let rows = for_each(self.loads()[0], &|i| {
            format!(
                "  let row{i} = row_at(first_row + (local_index + {i}u * INVOCATIONS) / DEPTH4);\n"
            )
        });
        let load_a = |i: usize, at: &str| {
            format!("load_a(row{i}, group, {at}, end, local_index + {i}u * INVOCATIONS)")
        };
        // Four terms at a time: one vector of each row, four vectors of each four columns.
        let columns = for_pairs(4, columns4, &|k, j| {
            let at = format!("(4u * i + {k}u) * TILE_N4 + n4 + {j}u * INVOCATIONS_N");
            format!("      let b{k}_{j} = tile_b[{at}];\n")
        });
        let products = for_each(block_rows, &|r| {
            let a = format!("      let a{r} = tile_a[(row + {r}u) * DEPTH4 + i];\n");
            let products = for_pairs(4, columns4, &|k, j| {
                let a = format!("vec4<f32>(a{r}.{})", COMPONENTS[k]);
                format!("      y{r}_{j} = fma({a}, b{k}_{j}, y{r}_{j});\n")
            });
            a + &products
        });
        let inner =
            format!("    for (var i = 0u; i < DEPTH4; i += 1u) {{\n{columns}{products}    }}\n");
        self.main(&rows, ["K4_PER_SPLIT", "K4", "DEPTH4"], &load_a, &inner)
    }

    /// `main` where the left factor lies in memory across the sum.
    fn columns_main(&self) -> String {
        /// Terms that are added between two tests for the end of the tile.
        const TERMS_AT_ONCE: usize = 4;
        let [block_rows4, columns4] = self.block.map(|side| side / 4);
        let load_a = |i: usize, at: &str| {
            format!("load_a({at}, end, group, first_row / 4u, local_index + {i}u * INVOCATIONS)")
        };
        let terms = for_each(TERMS_AT_ONCE, &|term| {
            let a = for_each(block_rows4, &|q| {
                format!(
                    "      let a{term}_{q} = tile_a[(i + {term}u) * TILE_K4 + row / 4u + {q}u];\n"
                )
            });
            let b = for_each(columns4, &|j| {
                let at = format!("(i + {term}u) * TILE_N4 + n4 + {j}u * INVOCATIONS_N");
                format!("      let b{term}_{j} = tile_b[{at}];\n")
            });
            let products = for_pairs(4 * block_rows4, columns4, &|r, j| {
                let a = format!("vec4<f32>(a{term}_{}.{})", r / 4, COMPONENTS[r % 4]);
                format!("      y{r}_{j} = fma({a}, b{term}_{j}, y{r}_{j});\n")
            });
            a + &b + &products
        });
        let inner = format!(
            "    for (var i = 0u; i < TILE_DEPTH; i += {TERMS_AT_ONCE}u) {{\n{terms}    }}\n"
        );
        self.main("", ["ROWS_PER_SPLIT", "M", "TILE_DEPTH"], &load_a, &inner)
    }

    /// `main` around `inner`, which adds the products of one pair of tiles. The sum is counted in
    /// units of which a share has `per_split`, the whole `all`, and a tile `step`.
    fn main(
        &self,
        rows: &str,
        [per_split, all, step]: [&str; 3],
        load_a: &dyn Fn(usize, &str) -> String,
        inner: &str,
    ) -> String {
        let [a_loads, b_loads] = self.loads();
        let [block_rows, columns4] = [self.block[0], self.block[1] / 4];
        let row_tiles = if all == "M" { "K_TILES" } else { "M_TILES" };
        let load_b = |i: usize, at: &str| {
            format!("load_b({at}, end, group, first_n4, local_index + {i}u * INVOCATIONS)")
        };
        let first = for_each(a_loads, &|i| format!("  var next_a{i} = {};\n", load_a(i, "at")))
            + &for_each(b_loads, &|i| format!("  var next_b{i} = {};\n", load_b(i, "at")));
        let store_tiles = |letter: &str, loads| {
            for_each(loads, &|i| {
                format!("    tile_{letter}[local_index + {i}u * INVOCATIONS] = next_{letter}{i};\n")
            })
        };
        let store_tiles = store_tiles("a", a_loads) + &store_tiles("b", b_loads);
        let next_at = format!("at + {step}");
        let next = for_each(a_loads, &|i| format!("    next_a{i} = {};\n", load_a(i, &next_at)))
            + &for_each(b_loads, &|i| format!("    next_b{i} = {};\n", load_b(i, &next_at)));
        let block = |line: &dyn Fn(usize, usize) -> String| for_pairs(block_rows, columns4, line);
        let sums = block(&|r, j| format!("  var y{r}_{j} = vec4<f32>();\n"));
        let column = |j: usize| format!("first_n4 + n4 + {j}u * INVOCATIONS_N");
        let biases =
            for_each(columns4, &|j| format!("  let bias{j} = bias_of(group, {});\n", column(j)));
        let stores = block(&|r, j| {
            let (column, sum) = (column(j), format!("y{r}_{j} + bias{j}"));
            format!("  store_row(split, first_row + row + {r}u, group, {column}, {sum});\n")
        });
        format!(
            "
@compute @workgroup_size(INVOCATIONS)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {{
  // The grid can hold more workgroups than tiles; all invocations of one leave together.
  let tile = flat_workgroup(workgroup_id, num_workgroups);
  if tile >= TILES {{ return; }}
  let first_n4 = tile % N_TILES * TILE_N4;
  let first_row = tile / N_TILES % {row_tiles} * TILE_ROWS;
  let group = tile / (N_TILES * {row_tiles}) % GROUPS;
  let split = tile / (N_TILES * {row_tiles} * GROUPS);
  let row = local_index / INVOCATIONS_N * BLOCK_ROWS;
  let n4 = local_index % INVOCATIONS_N;
{rows}{sums}  let end = min((split + 1u) * {per_split}, {all});
  var at = split * {per_split};
{first}  for (; at < end; at += {step}) {{
    // All invocations have read the tiles of the turn before.
    workgroupBarrier();
{store_tiles}    // Both tiles are complete; the next ones arrive while these are multiplied.
    workgroupBarrier();
{next}{inner}  }}
{biases}{stores}}}
"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Loads are dealt out evenly, and the smaller tiles fit every device.
    #[test]
    fn tiles_divide_evenly() {
        let caps = Caps::webgpu_default();
        for tile in TILES {
            let invocations = tile.invocations();
            for (side, loads) in [tile.rows, tile.columns].into_iter().zip(tile.loads()) {
                assert_eq!(loads * invocations * 4, side * tile.depth, "{}", tile.variant());
            }
            // Each invocation stays with one vector of terms, whatever row it loads.
            assert_eq!(invocations % (tile.depth / 4), 0, "{}", tile.variant());
        }
        assert!(TILES.iter().filter(|tile| tile.fits(&caps)).count() + 1 >= TILES.len());
    }
}
