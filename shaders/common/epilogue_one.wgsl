// Bias and activation of one output channel: the scalar twin of epilogue.wgsl.
fn finish(sum: f32, column: u32) -> f32 {
  return activate(sum + bias_at(column));
}
