// Number of elements by which average pooling divides, for a window of which the given rows and
// columns lie inside the input. Twin: count in src/ops/pool/average/mod.rs.
fn averaged(rows: vec2<u32>, columns: vec2<u32>) -> u32 {
  return select((rows.y - rows.x) * (columns.y - columns.x), KH * KW, COUNT_INCLUDE_PAD == 1u);
}
