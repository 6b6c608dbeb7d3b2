// The result of a product as vectors of four columns. y: [rows, GROUPS * N4] vectors.

// The bias of four columns; behind the last ones, theirs.
fn bias_of(group: u32, n4: u32) -> vec4<f32> {
  return bias_of_four(group * N4 + min(n4, N4 - 1u));
}

// Stores tail(sum), where the bias has been added.
fn store(row: u32, group: u32, n4: u32, sum: vec4<f32>) {
  if n4 < N4 {
    let i = (row * GROUPS + group) * N4 + n4;
    y[i] = tail(sum, i);
  }
}
