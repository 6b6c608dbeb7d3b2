// y[split, k, n] = f(sum_m a[row(m), k] * b[m, n] + bias[n]) over the share `split` of the m, for
// each group; k counts through the taps of a row.
// Operands: see a_*.wgsl, b_*.wgsl and y_*.wgsl. One workgroup computes TILE_ROWS x 4 * TILE_N4
// elements, from tiles of both factors in workgroup memory, TILE_DEPTH terms at a time.
// `main` is generated: for invocations that multiply vectors (tiled.rs and pipelined.rs in
// src/ops/product/gemm), or for subgroups that multiply whole matrices (cooperative.rs).
// Twins: those of the ops that use it.

// Vectors of four rows of the result.
const TILE_K4: u32 = TILE_ROWS / 4u;
// [TILE_DEPTH, TILE_K4], vectors along k.
var<workgroup> tile_a: array<TILE_VECTOR, A_VECTORS>;
// [TILE_DEPTH, TILE_N4], vectors along n.
var<workgroup> tile_b: array<TILE_VECTOR, B_VECTORS>;

// Vector `i` of the tile of `a`; zeros behind the end of the share.
fn load_a(m: u32, end: u32, group: u32, first_k4: u32, i: u32) -> vec4<f32> {
  let row = m + i / TILE_K4;
  // A row behind the end of the share is one that row_at does not know.
  return a_vector(row_at(select(M, row, row < end)), group, first_k4 + i % TILE_K4);
}

// Vector `i` of the tile of `b`; zeros behind the end of the share.
fn load_b(m: u32, end: u32, group: u32, first_n4: u32, i: u32) -> vec4<f32> {
  let row = m + i / TILE_N4;
  return b_vector(row, row < end, group, first_n4 + i % TILE_N4);
}

fn store_row(split: u32, k: u32, group: u32, n4: u32, sum: vec4<f32>) {
  if k < TAPS * TAP_K { store(split * TAPS * TAP_K + k, group, n4, sum); }
}
