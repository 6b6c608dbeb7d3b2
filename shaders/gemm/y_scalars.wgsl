// The result of a product as scalars, for columns that do not come in fours. y: [rows, GROUPS * N].

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
