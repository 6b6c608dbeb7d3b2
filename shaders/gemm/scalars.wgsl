// Operands of the tiled products as scalars, for sizes that do not come in fours.
// a: rows of taps of TAP_K elements per group, found by row_at and tap_at;
// b: [rows, GROUPS * N]; y: [rows, GROUPS * N].

const NONE: u32 = 0xffffffffu;

fn a_scalar(row: Row, group: u32, k: u32) -> f32 {
  let tap = tap_at(row, k / TAP_K);
  let exists = tap != NONE && k < TAPS * TAP_K;
  return select(0.0, a[select(0u, tap + group * TAP_K + k % TAP_K, exists)], exists);
}

// Elements 4 * k4 to 4 * k4 + 3 of a row, counted through its taps; zeros behind the end.
fn a_vector(row: Row, group: u32, k4: u32) -> vec4<f32> {
  let k = 4u * k4;
  return vec4<f32>(
    a_scalar(row, group, k),
    a_scalar(row, group, k + 1u),
    a_scalar(row, group, k + 2u),
    a_scalar(row, group, k + 3u),
  );
}

fn b_scalar(row: u32, row_exists: bool, group: u32, n: u32) -> f32 {
  let exists = row_exists && n < N;
  return select(0.0, b[select(0u, (row * GROUPS + group) * N + n, exists)], exists);
}

// Columns 4 * n4 to 4 * n4 + 3 of a row of b; zeros where the row does not exist.
fn b_vector(row: u32, row_exists: bool, group: u32, n4: u32) -> vec4<f32> {
  let n = 4u * n4;
  return vec4<f32>(
    b_scalar(row, row_exists, group, n),
    b_scalar(row, row_exists, group, n + 1u),
    b_scalar(row, row_exists, group, n + 2u),
    b_scalar(row, row_exists, group, n + 3u),
  );
}

fn store_scalar(row: u32, group: u32, n: u32, sum: f32) {
  if n < N {
    y[(row * GROUPS + group) * N + n] = activate(sum + bias_at(group * N + n));
  }
}

fn store(row: u32, group: u32, n4: u32, sum: vec4<f32>) {
  let n = 4u * n4;
  store_scalar(row, group, n, sum.x);
  store_scalar(row, group, n + 1u, sum.y);
  store_scalar(row, group, n + 2u, sum.z);
  store_scalar(row, group, n + 3u, sum.w);
}
