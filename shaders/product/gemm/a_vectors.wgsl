// The left factor of a product as vectors of four: the elements of a tap come in fours.
// a: rows of TAPS taps of TAP_K / 4 vectors per group, found by row_at and tap_at of the file before.

// Index of a vector of `a`; NONE stands for zeros.
const NONE: u32 = 0xffffffffu;

// Elements 4 * k4 to 4 * k4 + 3 of a row, counted through its taps; zeros behind the end.
fn a_vector(row: Row, group: u32, k4: u32) -> vec4<f32> {
  let tap = tap_at(row, k4 / (TAP_K / 4u));
  let exists = tap != NONE && k4 < TAPS * (TAP_K / 4u);
  let index = tap + group * (TAP_K / 4u) + k4 % (TAP_K / 4u);
  return select(vec4<f32>(), a[select(0u, index, exists)], exists);
}
