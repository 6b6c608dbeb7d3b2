// Bias and activation of four adjacent output channels, the first of which is 4 * column4: the vector
// twin of epilogue_one.wgsl.
fn finish(sum: vec4<f32>, column4: u32) -> vec4<f32> {
  let n = 4u * column4;
  return vec4<f32>(
    activate(sum.x + bias_at(n)),
    activate(sum.y + bias_at(n + 1u)),
    activate(sum.z + bias_at(n + 2u)),
    activate(sum.w + bias_at(n + 3u)),
  );
}
