// max(x, 0) and its derivative, where y = activate(x).
// Twin: Activation::Relu in src/graph/epilogue.rs.

fn activate(x: f32) -> f32 {
  // select, not max: max(NaN, 0) is 0 on many devices and would hide a NaN.
  return select(x, 0.0, x < 0.0);
}

fn activate_derivative(x: f32, y: f32) -> f32 {
  return select(0.0, 1.0, y > 0.0);
}
