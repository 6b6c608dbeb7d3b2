// The left factor of a product as scalars, for taps whose elements do not come in fours.
// a: rows of TAPS taps of TAP_K elements per group, found by row_at and tap_at of the file before.

// Index of an element of `a`; NONE stands for zero.
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
