// Bias and tail of four adjacent output channels, the first of which is 4 * column4: the vector twin
// of epilogue_one.wgsl. Kernels that finish several rows load the bias once for all of them:
// drivers compile each load, dozens of them in unrolled kernels.
fn bias_of_four(column4: u32) -> vec4<f32> {
  let n = 4u * column4;
  return vec4<f32>(bias_at(n), bias_at(n + 1u), bias_at(n + 2u), bias_at(n + 3u));
}

// Vector `i` of the result.
fn finish(sum: vec4<f32>, column4: u32, i: u32) -> vec4<f32> {
  return tail(sum + bias_of_four(column4), i);
}
