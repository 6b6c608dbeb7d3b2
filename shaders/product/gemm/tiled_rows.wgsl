// y[split, m, n] = f(sum_k a[row(m), k] * b[k, n] + bias[n]) over the share `split` of the k, for
// each group; k counts through the taps of a row, in vectors of four.
// Operands: see a_*.wgsl, b_*.wgsl and y_*.wgsl. One workgroup computes TILE_ROWS x 4 * TILE_N4
// elements, from tiles of both factors in workgroup memory, TILE_DEPTH terms at a time.
// `main` is generated: for invocations that multiply vectors (tiled.rs and pipelined.rs in
// src/ops/product/gemm), or for subgroups that multiply whole matrices (cooperative.rs).
// Twins: those of the ops that use it.

// Vectors of four terms.
const DEPTH4: u32 = TILE_DEPTH / 4u;
// [TILE_ROWS, DEPTH4], vectors along k.
var<workgroup> tile_a: array<TILE_VECTOR, A_VECTORS>;
// [TILE_DEPTH, TILE_N4], vectors along n.
var<workgroup> tile_b: array<TILE_VECTOR, B_VECTORS>;

// Vector `i` of the tile of `a` whose row has been found; zeros behind the end of the share.
fn load_a(row: Row, group: u32, k4: u32, end: u32, i: u32) -> vec4<f32> {
  let at = k4 + i % DEPTH4;
  return a_vector(row, group, select(K4, at, at < end));
}

// Vector `i` of the tile of `b`; zeros behind the end of the share.
fn load_b(k4: u32, end: u32, group: u32, first_n4: u32, i: u32) -> vec4<f32> {
  let k = 4u * k4 + i / TILE_N4;
  return b_vector(k, k < min(4u * end, TAPS * TAP_K), group, first_n4 + i % TILE_N4);
}

fn store_row(split: u32, m: u32, group: u32, n4: u32, sum: vec4<f32>) {
  if m < M { store(split * M + m, group, n4, sum); }
}
