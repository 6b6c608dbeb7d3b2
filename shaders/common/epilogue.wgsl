// Bias and activation of four adjacent output channels, the first of which is 4 * column4: the vector
// twin of epilogue_one.wgsl. Kernels that finish several rows load the bias once for all of them:
// drivers compile each load, dozens of them in unrolled kernels.
fn bias_of_four(column4: u32) -> vec4<f32> {
  let n = 4u * column4;
  return vec4<f32>(bias_at(n), bias_at(n + 1u), bias_at(n + 2u), bias_at(n + 3u));
}

fn activate_four(x: vec4<f32>) -> vec4<f32> {
  return vec4<f32>(activate(x.x), activate(x.y), activate(x.z), activate(x.w));
}

fn finish(sum: vec4<f32>, column4: u32) -> vec4<f32> {
  return activate_four(sum + bias_of_four(column4));
}
