// x where positive, else 0.01 x, and its derivative, where y = activate(x).
// Twin: Activation::LeakyRelu in src/graph/epilogue.rs.

fn activate(x: f32) -> f32 {
  // Whatever a comparison with NaN gives, both are NaN.
  return select(x, 0.01 * x, x < 0.0);
}

// 0.01 at NaN.
fn activate_derivative(x: f32, y: f32) -> f32 {
  // The bits of positive numbers lie between 1 and those of infinity.
  return select(0.01, 1.0, bitcast<u32>(y) - 1u < 0x7f800000u);
}
