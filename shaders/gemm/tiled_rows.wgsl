// y[split, m, n] = f(sum_k a[row(m), k] * b[k, n] + bias[n]) over the share `split` of the k, for
// each group; k counts through the taps of a row.
// Operands: see vectors.wgsl or scalars.wgsl. One workgroup computes TILE_M x TILE_N elements, from
// tiles of both factors in workgroup memory; one invocation computes 8 rows of one vector of
// columns.
// Twins: those of the ops that use it.

const TILE_M: u32 = 128u;
// Vectors of four.
const TILE_N4: u32 = 16u;
const TILE_K4: u32 = 4u;
const ROWS_PER_INVOCATION: u32 = 8u;
const INVOCATIONS: u32 = 256u;

// [TILE_M, TILE_K4], vectors along k.
var<workgroup> tile_a: array<vec4<f32>, 512>;
// [4 * TILE_K4, TILE_N4], vectors along n.
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
  let first_m = tile / N_TILES % M_TILES * TILE_M;
  let group = tile / (N_TILES * M_TILES) % GROUPS;
  let split = tile / (N_TILES * M_TILES * GROUPS);

  // What this invocation loads: one vector of each of two rows of a, and one vector of b.
  let load_m = local_index / TILE_K4;
  let load_k4 = local_index % TILE_K4;
  let row0 = row_at(first_m + load_m);
  let row1 = row_at(first_m + load_m + TILE_M / 2u);
  let load_k = local_index / TILE_N4;
  let load_n4 = first_n4 + local_index % TILE_N4;

  // What it computes.
  let m = local_index / TILE_N4 * ROWS_PER_INVOCATION;
  let n4 = local_index % TILE_N4;
  var y0 = vec4<f32>();
  var y1 = vec4<f32>();
  var y2 = vec4<f32>();
  var y3 = vec4<f32>();
  var y4 = vec4<f32>();
  var y5 = vec4<f32>();
  var y6 = vec4<f32>();
  var y7 = vec4<f32>();
  let end = min((split + 1u) * K4_PER_SPLIT, K4);
  for (var k4 = split * K4_PER_SPLIT; k4 < end; k4 += TILE_K4) {
    // All invocations have read the tiles of the turn before.
    workgroupBarrier();
    let a_exists = k4 + load_k4 < end;
    let a_k4 = select(K4, k4 + load_k4, a_exists);
    tile_a[local_index] = a_vector(row0, group, a_k4);
    tile_a[local_index + INVOCATIONS] = a_vector(row1, group, a_k4);
    let k = 4u * k4 + load_k;
    let b_exists = k < min(4u * end, TAPS * TAP_K);
    tile_b[local_index] = b_vector(k, b_exists, group, load_n4);
    // Both tiles are complete.
    workgroupBarrier();
    for (var i = 0u; i < TILE_K4; i += 1u) {
      let column = 4u * i * TILE_N4 + n4;
      let b4 = mat4x4<f32>(
        tile_b[column],
        tile_b[column + TILE_N4],
        tile_b[column + 2u * TILE_N4],
        tile_b[column + 3u * TILE_N4],
      );
      let row = m * TILE_K4 + i;
      y0 += b4 * tile_a[row];
      y1 += b4 * tile_a[row + TILE_K4];
      y2 += b4 * tile_a[row + 2u * TILE_K4];
      y3 += b4 * tile_a[row + 3u * TILE_K4];
      y4 += b4 * tile_a[row + 4u * TILE_K4];
      y5 += b4 * tile_a[row + 5u * TILE_K4];
      y6 += b4 * tile_a[row + 6u * TILE_K4];
      y7 += b4 * tile_a[row + 7u * TILE_K4];
    }
  }
  store_row(split, first_m + m, group, first_n4 + n4, y0);
  store_row(split, first_m + m + 1u, group, first_n4 + n4, y1);
  store_row(split, first_m + m + 2u, group, first_n4 + n4, y2);
  store_row(split, first_m + m + 3u, group, first_n4 + n4, y3);
  store_row(split, first_m + m + 4u, group, first_n4 + n4, y4);
  store_row(split, first_m + m + 5u, group, first_n4 + n4, y5);
  store_row(split, first_m + m + 6u, group, first_n4 + n4, y6);
  store_row(split, first_m + m + 7u, group, first_n4 + n4, y7);
}

fn store_row(split: u32, m: u32, group: u32, n4: u32, sum: vec4<f32>) {
  if m < M { store(split * M + m, group, n4, sum); }
}
