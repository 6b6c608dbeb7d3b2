// Adds element `i` of a tensor of the shape of the result, which is bound as `residual`.
fn with_residual(z: FLOATS, i: u32) -> FLOATS {
  return z + residual[i];
}
