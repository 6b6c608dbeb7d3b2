//! Products in tiles of workgroup memory: any sizes, any device.

use super::chunks::Rows;
use super::tile::{Body, Plan, Tile};
use super::{ChunkedLowering, Form, Task, VECTOR, chunks, for_each, for_pairs};
use crate::graph::{Caps, Lowering};

/// Tiles of both factors lie in workgroup memory; an invocation holds a block of sums, so that each
/// number it loads from there is used several times.
const fn tile(rows: usize, columns: usize, depth: usize, block: [usize; 2]) -> Tile {
    Tile { rows, columns, depth, block, lanes: 1, stages: 1 }
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

const COMPONENTS: [&str; 4] = ["x", "y", "z", "w"];

/// The lowerings that the device has the workgroup memory for, best guess first.
pub(super) fn lowerings(task: &Task, caps: &Caps) -> Vec<Lowering> {
    let tiles = TILES.into_iter().filter(|tile| fits(tile, caps));
    let plans = Plan::candidates(tiles, task, caps);
    plans.iter().map(|plan| lowering(plan, false, task, caps)).collect()
}

/// Those of them that can write the statistics of chunks: of whole sums, with room for the sums of
/// workers in the tile of the left factor.
pub(super) fn chunked_lowerings(task: &Task, caps: &Caps) -> Vec<ChunkedLowering> {
    let tiles = TILES.into_iter().filter(|tile| fits(tile, caps));
    let plans = Plan::undivided(tiles, task, caps).into_iter();
    let has_room = |Tile { columns, depth, block, .. }: Tile| columns <= depth * block[0];
    let plans = plans.filter(|plan| has_room(plan.tile));
    let chunked = plans.map(|plan| ChunkedLowering {
        lowering: lowering(&plan, true, task, caps),
        chunk_rows: plan.tile.rows,
        chunks: task.chunks(),
    });
    chunked.collect()
}

fn fits(tile: &Tile, caps: &Caps) -> bool {
    tile.fits(tile.depth * (tile.rows + tile.columns) * size_of::<f32>(), caps)
}

fn variant(tile: &Tile) -> String {
    let Tile { rows, columns, depth, block: [block_rows, block_columns], .. } = tile;
    format!("tiled_{rows}x{columns}x{depth}_{block_rows}x{block_columns}")
}

fn lowering(plan: &Plan, chunked: bool, task: &Task, caps: &Caps) -> Lowering {
    let tile = &plan.tile;
    let kernel = plan
        .kernel("tiled", VECTOR, task, caps)
        .constant("A_VECTORS", tile.rows * tile.depth / 4)
        .constant("B_VECTORS", tile.columns * tile.depth / 4);
    let kernel = if chunked {
        task.with_chunks(kernel)
            .file(include_str!("../../../../shaders/product/gemm/chunk_total.wgsl"))
    } else {
        kernel
    };
    let kernel = kernel.file(&main(tile, task, chunked));
    task.lowering(&variant(tile), kernel, plan.splits, caps)
}

fn main(tile: &Tile, task: &Task, chunked: bool) -> String {
    let [block_rows, columns4] = [tile.block[0], tile.block[1] / 4];
    let block = |line: &dyn Fn(usize, usize) -> String| for_pairs(block_rows, columns4, line);
    let sums = block(&|r, j| format!("  var y{r}_{j} = vec4<f32>();\n"));
    let column = |j: usize| format!("first_n4 + n4 + {j}u * WORKERS_N");
    let biases =
        for_each(columns4, &|j| format!("  let bias{j} = bias_of(group, {});\n", column(j)));
    let stores = block(&|r, j| {
        let (column, sum) = (column(j), format!("y{r}_{j} + bias{j}"));
        format!("  store_row(split, first_row + row + {r}u, group, {column}, {sum});\n")
    });
    let statistics = if chunked {
        let column = |j: usize| format!("n4 + {j}u * WORKERS_N");
        let all_exist = task.product.m.is_multiple_of(tile.rows);
        let row = |i: usize| format!("row + {i}u");
        let rows = Rows { count: block_rows, all_exist, row: &row };
        chunks::of_workgroups(&rows, columns4, "local_index / WORKERS_N", &column)
    } else {
        String::new()
    };
    let body = Body {
        sums: format!(
            "  let row = local_index / WORKERS_N * BLOCK_ROWS;
  let n4 = local_index % WORKERS_N;
{sums}"
        ),
        products: match task.form {
            Form::Rows => products_of_rows(block_rows, columns4),
            Form::Columns => products_of_columns(block_rows / 4, columns4),
        },
        results: biases + &stores + &statistics,
    };
    body.main(tile, task.form)
}

/// The products where the left factor lies in memory along the sum.
fn products_of_rows(block_rows: usize, columns4: usize) -> String {
    // Four terms at a time: one vector of each row, four vectors of each four columns.
    let columns = for_pairs(4, columns4, &|k, j| {
        let at = format!("(4u * i + {k}u) * TILE_N4 + n4 + {j}u * WORKERS_N");
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
    format!("    for (var i = 0u; i < DEPTH4; i += 1u) {{\n{columns}{products}    }}\n")
}

/// The products where the left factor lies in memory across the sum.
fn products_of_columns(block_rows4: usize, columns4: usize) -> String {
    /// Terms that are added between two tests for the end of the tile.
    const TERMS_AT_ONCE: usize = 4;
    let terms = for_each(TERMS_AT_ONCE, &|term| {
        let a = for_each(block_rows4, &|q| {
            format!("      let a{term}_{q} = tile_a[(i + {term}u) * TILE_K4 + row / 4u + {q}u];\n")
        });
        let b = for_each(columns4, &|j| {
            let at = format!("(i + {term}u) * TILE_N4 + n4 + {j}u * WORKERS_N");
            format!("      let b{term}_{j} = tile_b[{at}];\n")
        });
        let products = for_pairs(4 * block_rows4, columns4, &|r, j| {
            let a = format!("vec4<f32>(a{term}_{}.{})", r / 4, COMPONENTS[r % 4]);
            format!("      y{r}_{j} = fma({a}, b{term}_{j}, y{r}_{j});\n")
        });
        a + &b + &products
    });
    format!("    for (var i = 0u; i < TILE_DEPTH; i += {TERMS_AT_ONCE}u) {{\n{terms}    }}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Loads are dealt out evenly, and the smaller tiles fit every device.
    #[test]
    fn tiles_divide_evenly() {
        let caps = Caps::webgpu_default();
        for tile in &TILES {
            let invocations = tile.invocations();
            for (side, loads) in [tile.rows, tile.columns].into_iter().zip(tile.loads()) {
                assert_eq!(loads * invocations * 4, side * tile.depth, "{}", variant(tile));
            }
            // Each invocation stays with one vector of terms, whatever row it loads.
            assert_eq!(invocations % (tile.depth / 4), 0, "{}", variant(tile));
        }
        assert!(TILES.iter().filter(|tile| fits(tile, &caps)).count() + 1 >= TILES.len());
    }
}
