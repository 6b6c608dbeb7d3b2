// Products by cooperative matrices of SIZE x SIZE elements, which the LANES of a subgroup hold
// together. Both tiles are f16, and there are two of each, which take turns: stages of A_STAGE and
// B_STAGE vectors. Rows of A_ROW4 and TILE_N4 vectors are padded to A_PITCH and B_PITCH, so that the rows
// of a matrix lie in different banks of workgroup memory.
// See tiled_*.wgsl; `put_b` is in cooperative_b_*.wgsl.

// Vectors of a row of a matrix.
const SIZE4: u32 = SIZE / 4u;
// Vectors of a row of the sums that a subgroup stores at once, SUMS_ROW4, with padding.
const SUMS_PITCH: u32 = SUMS_ROW4 + SUMS_PADDING;
// A few matrices of each subgroup, on the way from sums to the result.
var<workgroup> sums: array<vec4<f32>, SUBGROUPS * SIZE * SUMS_PITCH>;

fn put_a(stage: u32, i: u32, vector: vec4<f32>) {
  tile_a[stage * A_STAGE + i / A_ROW4 * A_PITCH + i % A_ROW4] = vec4<f16>(vector);
}

fn place_in_b(stage: u32, i: u32) -> u32 {
  return stage * B_STAGE + i / TILE_N4 * B_PITCH + i % TILE_N4;
}

// Where the sums of a subgroup start.
fn first_sum(subgroup: u32) -> u32 {
  return subgroup * SIZE * SUMS_PITCH;
}

// Stores the sums of a subgroup, whose place in the result is `first_row` and `first_n4`.
fn store_sums(
  split: u32, first_row: u32, group: u32, first_n4: u32, subgroup: u32, lane: u32,
) {
  for (var i = lane; i < SIZE * SUMS_ROW4; i += LANES) {
    let row = i / SUMS_ROW4;
    let n4 = i % SUMS_ROW4;
    let sum = sums[first_sum(subgroup) + row * SUMS_PITCH + n4] + bias_of(group, first_n4 + n4);
    store_row(split, first_row + row, group, first_n4 + n4, sum);
  }
}
