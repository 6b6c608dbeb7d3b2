// Bias and tail of one output channel, element `i` of the result: the scalar twin of epilogue.wgsl.
fn finish(sum: f32, column: u32, i: u32) -> f32 {
  return tail(sum + bias_at(column), i);
}
