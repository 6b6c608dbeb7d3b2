// The right factor of a product as scalars, for columns that do not come in fours.
// b: [rows, GROUPS * N].

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
