//! Products in tiles of workgroup memory: any sizes, any device.

use super::{Form, Task, VECTOR, splits};
use crate::graph::{Caps, Lowering};

/// Rows and columns of the result that one workgroup computes; the WGSL files have the same.
const TILE_ROWS: usize = 128;
const TILE_COLUMNS: usize = 64;
/// Bytes of both tiles.
const WORKGROUP_BYTES: u32 = 12 * 1024;
const INVOCATIONS: u32 = 256;
/// Workgroups that occupy a large GPU.
const WANTED_TILES: usize = 256;
/// Fewest terms of one share of a sum.
const LEAST_TERMS: usize = 128;

/// The lowering, where the device has the workgroup memory, and tiles would not be almost empty.
pub(super) fn lowering(task: &Task, caps: &Caps) -> Option<Lowering> {
    const LEAST_COLUMNS: usize = 8;
    let product = &task.product;
    let fits = caps.max_workgroup_storage >= WORKGROUP_BYTES && caps.max_invocations >= INVOCATIONS;
    if !fits || product.n < LEAST_COLUMNS {
        return None;
    }
    let (variant, wgsl_type, operands) = if product.in_fours() {
        ("tiled", VECTOR, include_str!("../../../shaders/gemm/vectors.wgsl"))
    } else {
        ("tiled_scalars", "f32", include_str!("../../../shaders/gemm/scalars.wgsl"))
    };
    let (rows, terms) = match task.form {
        Form::Rows => (product.m, product.k()),
        Form::Columns => (product.k(), product.m),
    };
    let n_tiles = product.n.div_ceil(TILE_COLUMNS);
    let row_tiles = rows.div_ceil(TILE_ROWS);
    let tiles = row_tiles * n_tiles * product.groups;
    let most_bytes = usize::try_from(caps.max_binding_bytes).unwrap_or(usize::MAX);
    let most_splits = most_bytes / (task.elements() * size_of::<f32>()).max(1);
    let wanted = WANTED_TILES.min(tiles * most_splits.max(1));
    let (terms_name, terms, least_terms) = match task.form {
        // The sum is cut between vectors of four terms.
        Form::Rows => ("K4_PER_SPLIT", terms.div_ceil(4), LEAST_TERMS / 4),
        Form::Columns => ("ROWS_PER_SPLIT", terms, LEAST_TERMS),
    };
    let splits = splits(terms, least_terms, tiles, wanted);
    let (name, tiles_name, main) = match task.form {
        Form::Rows => {
            ("tiled_rows", "M_TILES", include_str!("../../../shaders/gemm/tiled_rows.wgsl"))
        }
        Form::Columns => {
            ("tiled_columns", "K_TILES", include_str!("../../../shaders/gemm/tiled_columns.wgsl"))
        }
    };
    let kernel = task
        .kernel(name, wgsl_type, splits)
        .constant(terms_name, terms.div_ceil(splits))
        .constant("K4", product.k().div_ceil(4))
        .constant(tiles_name, row_tiles)
        .constant("N_TILES", n_tiles)
        .tiles(tiles * splits, caps)
        .file(include_str!("../../../shaders/common/epilogue.wgsl"))
        .file(operands)
        .file(main);
    Some(task.lowering(variant, kernel, splits, caps))
}
