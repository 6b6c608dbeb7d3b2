// y[split, k, n] = f(sum_m a[row(m), k] * b[m, n] + bias[n]) over the share `split` of the m, for
// each group; k counts through the taps of a row.
// Operands: see vectors.wgsl or scalars.wgsl. One workgroup computes 4 * TILE_K4 x 4 * TILE_N4
// elements, from tiles of both factors in workgroup memory; one invocation computes 8 rows of one
// vector of columns. Twins: those of the ops that use it.

const TILE_M: u32 = 16u;
// Vectors of four.
const TILE_K4: u32 = 32u;
const TILE_N4: u32 = 16u;
const VECTORS_PER_INVOCATION: u32 = 2u;
const INVOCATIONS: u32 = 256u;

// [TILE_M, TILE_K4], vectors along k.
var<workgroup> tile_a: array<vec4<f32>, 512>;
// [TILE_M, TILE_N4], vectors along n.
var<workgroup> tile_b: array<vec4<f32>, 256>;

@compute @workgroup_size(INVOCATIONS)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  // The grid can hold more workgroups than tiles; all invocations of one leave together.
  let tile = flat_workgroup(workgroup_id, num_workgroups);
  if tile >= TILES { return; }
  let first_n4 = tile % N_TILES * TILE_N4;
  let first_k4 = tile / N_TILES % K_TILES * TILE_K4;
  let group = tile / (N_TILES * K_TILES) % GROUPS;
  let split = tile / (N_TILES * K_TILES * GROUPS);

  // What this invocation loads: one vector of each of two rows of a, and one vector of b.
  let load_a_m = local_index / TILE_K4;
  let load_k4 = first_k4 + local_index % TILE_K4;
  let load_b_m = local_index / TILE_N4;
  let load_n4 = first_n4 + local_index % TILE_N4;

  // What it computes.
  let k4 = local_index / TILE_N4 * VECTORS_PER_INVOCATION;
  let n4 = local_index % TILE_N4;
  var y0 = vec4<f32>();
  var y1 = vec4<f32>();
  var y2 = vec4<f32>();
  var y3 = vec4<f32>();
  var y4 = vec4<f32>();
  var y5 = vec4<f32>();
  var y6 = vec4<f32>();
  var y7 = vec4<f32>();
  let end = min((split + 1u) * ROWS_PER_SPLIT, M);
  for (var m = split * ROWS_PER_SPLIT; m < end; m += TILE_M) {
    // All invocations have read the tiles of the turn before.
    workgroupBarrier();
    tile_a[local_index] = a_row_vector(m + load_a_m, end, group, load_k4);
    tile_a[local_index + INVOCATIONS] =
      a_row_vector(m + load_a_m + TILE_M / 2u, end, group, load_k4);
    tile_b[local_index] = b_vector(m + load_b_m, m + load_b_m < end, group, load_n4);
    // Both tiles are complete.
    workgroupBarrier();
    for (var i = 0u; i < TILE_M; i += 1u) {
      let b_i = tile_b[i * TILE_N4 + n4];
      let a0 = tile_a[i * TILE_K4 + k4];
      let a1 = tile_a[i * TILE_K4 + k4 + 1u];
      y0 += a0.x * b_i;
      y1 += a0.y * b_i;
      y2 += a0.z * b_i;
      y3 += a0.w * b_i;
      y4 += a1.x * b_i;
      y5 += a1.y * b_i;
      y6 += a1.z * b_i;
      y7 += a1.w * b_i;
    }
  }
  let k = 4u * (first_k4 + k4);
  store_row(split, k, group, first_n4 + n4, y0);
  store_row(split, k + 1u, group, first_n4 + n4, y1);
  store_row(split, k + 2u, group, first_n4 + n4, y2);
  store_row(split, k + 3u, group, first_n4 + n4, y3);
  store_row(split, k + 4u, group, first_n4 + n4, y4);
  store_row(split, k + 5u, group, first_n4 + n4, y5);
  store_row(split, k + 6u, group, first_n4 + n4, y6);
  store_row(split, k + 7u, group, first_n4 + n4, y7);
}

fn a_row_vector(m: u32, end: u32, group: u32, k4: u32) -> vec4<f32> {
  // A row behind the end of the share is one that row_at does not know.
  return a_vector(row_at(select(M, m, m < end)), group, k4);
}

fn store_row(split: u32, k: u32, group: u32, n4: u32, sum: vec4<f32>) {
  if k < TAPS * TAP_K { store(split * TAPS * TAP_K + k, group, n4, sum); }
}
