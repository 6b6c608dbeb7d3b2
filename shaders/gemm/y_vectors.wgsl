// The result of a product as vectors of four columns. y: [rows, GROUPS * N4] vectors.

fn store(row: u32, group: u32, n4: u32, sum: vec4<f32>) {
  if n4 < N4 {
    let column4 = group * N4 + n4;
    y[row * GROUPS * N4 + column4] = finish(sum, column4);
  }
}
