// Number of elements by which average pooling divides, for a window of which the given rows and
// columns lie inside the input: those within the padded input. Behind it, where windows may reach
// beyond (ceil_mode), nothing counts. Twin: PoolGeometry::padded_count in src/ops/pool/geometry.rs.
fn averaged(rows: vec2<u32>, columns: vec2<u32>) -> u32 {
  return min(KH, rows.y + PADDING_BOTTOM) * min(KW, columns.y + PADDING_RIGHT);
}
