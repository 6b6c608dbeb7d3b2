// min(max(x, 0), 6) and its derivative, where y = activate(x).
// Twin: Activation::Relu6 in src/graph/epilogue.rs.

fn activate(x: f32) -> f32 {
  // select, not clamp: clamp(NaN) is a bound on many devices and would hide a NaN.
  return select(select(x, 6.0, x > 6.0), 0.0, x < 0.0);
}

fn activate_derivative(x: f32, y: f32) -> f32 {
  return select(0.0, 1.0, y > 0.0 && y < 6.0);
}
