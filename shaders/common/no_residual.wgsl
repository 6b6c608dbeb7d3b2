// Nothing is added to the result: the twin of residual.wgsl.

fn residual_at(i: u32) -> FLOATS {
  return FLOATS();
}
