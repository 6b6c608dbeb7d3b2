// x * sigmoid(x) and its derivative at x. Uses common/activation/logistic.wgsl.
// Twin: Activation::Silu in src/graph/epilogue.rs.

fn activate(x: f32) -> f32 {
  return x * logistic(x);
}

fn activate_derivative(x: f32, y: f32) -> f32 {
  let s = logistic(x);
  return s * (1.0 + x * logistic(-x));
}
