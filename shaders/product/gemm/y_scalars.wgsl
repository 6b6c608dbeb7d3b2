// The result of a product as scalars, for columns that do not come in fours. y: [rows, GROUPS * N].

// The bias of four columns; behind the last one, its own.
fn bias_of(group: u32, n4: u32) -> vec4<f32> {
  let n = min(4u * n4 + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(N - 1u)) + group * N;
  return vec4<f32>(bias_at(n.x), bias_at(n.y), bias_at(n.z), bias_at(n.w));
}

fn store_scalar(row: u32, group: u32, n: u32, sum: f32) {
  if n < N {
    let i = (row * GROUPS + group) * N + n;
    y[i] = tail(sum, i);
  }
}

// Stores tail(sum), where the bias has been added.
fn store(row: u32, group: u32, n4: u32, sum: vec4<f32>) {
  let n = 4u * n4;
  store_scalar(row, group, n, sum.x);
  store_scalar(row, group, n + 1u, sum.y);
  store_scalar(row, group, n + 2u, sum.z);
  store_scalar(row, group, n + 3u, sum.w);
}
