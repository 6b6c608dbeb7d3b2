//! What the kernels of all tiles have in common: which tile a workgroup has, and how its factors are
//! loaded.

use super::{Form, for_each};

/// The start of `main`, with further `parameters`, a line each: finds the workgroup's tile.
pub(super) fn head(parameters: &str) -> String {
    format!(
        "
@compute @workgroup_size(INVOCATIONS)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
{parameters}) {{
  // The grid can hold more workgroups than tiles; all invocations of one leave together. As
  // flat_workgroup: naga, which demands that matrices are multiplied in uniform control flow, takes
  // results of functions for different ones.
  let tile =
    (workgroup_id.z * num_workgroups.y + workgroup_id.y) * num_workgroups.x + workgroup_id.x;
  if tile >= TILES {{ return; }}
  let first_n4 = tile % N_TILES * TILE_N4;
  let first_row = tile / N_TILES % ROW_TILES * TILE_ROWS;
  let group = tile / (N_TILES * ROW_TILES) % GROUPS;
  let split = tile / (N_TILES * ROW_TILES * GROUPS);
"
    )
}

/// Names of what a sum is counted by: the units of a share, of the whole, and of a tile.
pub(super) fn units(form: Form) -> [&'static str; 3] {
    match form {
        Form::Rows => ["K4_PER_SPLIT", "K4", "DEPTH4"],
        Form::Columns => ["ROWS_PER_SPLIT", "M", "TILE_DEPTH"],
    }
}

/// Which vector of a tile is number `i` of an invocation.
pub(super) fn place(i: usize) -> String {
    format!("local_index + {i}u * INVOCATIONS")
}

/// Lines that find the rows of an invocation's `loads` of the left factor, where they lie along the sum:
/// once for all terms.
pub(super) fn find_rows(form: Form, loads: usize) -> String {
    match form {
        Form::Rows => for_each(loads, &|i| {
            format!("  let row{i} = row_at(first_row + ({}) / DEPTH4);\n", place(i))
        }),
        Form::Columns => String::new(),
    }
}

/// Loads vector `i` of the tile of the left factor that starts at term `at`.
pub(super) fn load_a(form: Form, i: usize, at: &str) -> String {
    match form {
        Form::Rows => format!("load_a(row{i}, group, {at}, end, {})", place(i)),
        Form::Columns => format!("load_a({at}, end, group, first_row / 4u, {})", place(i)),
    }
}

/// The same of the right factor.
pub(super) fn load_b(i: usize, at: &str) -> String {
    format!("load_b({at}, end, group, first_n4, {})", place(i))
}
