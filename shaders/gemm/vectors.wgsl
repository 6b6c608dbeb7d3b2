// Operands of the tiled products as vectors of four: all sizes come in fours.
// a: rows of taps of TAP_K / 4 vectors per group, found by row_at and tap_at;
// b: [rows, GROUPS * N / 4] vectors; y: [rows, GROUPS * N / 4] vectors.

const NONE: u32 = 0xffffffffu;

// Elements 4 * k4 to 4 * k4 + 3 of a row, counted through its taps; zeros behind the end.
fn a_vector(row: Row, group: u32, k4: u32) -> vec4<f32> {
  let tap = tap_at(row, k4 / (TAP_K / 4u));
  let exists = tap != NONE && k4 < TAPS * (TAP_K / 4u);
  let index = tap + group * (TAP_K / 4u) + k4 % (TAP_K / 4u);
  return select(vec4<f32>(), a[select(0u, index, exists)], exists);
}

// Columns 4 * n4 to 4 * n4 + 3 of a row of b; zeros where the row does not exist.
fn b_vector(row: u32, row_exists: bool, group: u32, n4: u32) -> vec4<f32> {
  let exists = row_exists && n4 < N / 4u;
  let index = (row * GROUPS + group) * (N / 4u) + n4;
  return select(vec4<f32>(), b[select(0u, index, exists)], exists);
}

fn store(row: u32, group: u32, n4: u32, sum: vec4<f32>) {
  if n4 < N / 4u {
    let column4 = group * (N / 4u) + n4;
    y[row * GROUPS * (N / 4u) + column4] = finish(sum, column4);
  }
}
