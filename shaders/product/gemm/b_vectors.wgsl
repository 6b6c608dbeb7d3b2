// The right factor of a product as vectors of four columns. b: [rows, GROUPS * N4] vectors.

// Columns 4 * n4 to 4 * n4 + 3 of a row of b; zeros where the row does not exist.
fn b_vector(row: u32, row_exists: bool, group: u32, n4: u32) -> vec4<f32> {
  let exists = row_exists && n4 < N4;
  return select(vec4<f32>(), b[select(0u, (row * GROUPS + group) * N4 + n4, exists)], exists);
}
