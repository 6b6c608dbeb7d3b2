// x where positive, else 0.01 x, and its derivative, where y = activate(x).
// Twin: Activation::LeakyRelu in src/graph/epilogue.rs.

fn activate(x: f32) -> f32 {
  return select(x, 0.01 * x, x < 0.0);
}

fn activate_derivative(x: f32, y: f32) -> f32 {
  return select(0.01, 1.0, y > 0.0);
}
