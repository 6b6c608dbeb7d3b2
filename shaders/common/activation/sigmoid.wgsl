// 1 / (1 + exp(-x)) and its derivative, where y = activate(x). Uses common/activation/logistic.wgsl.
// Twin: Activation::Sigmoid in src/graph/epilogue.rs.

fn activate(x: f32) -> f32 {
  return logistic(x);
}

fn activate_derivative(x: f32, y: f32) -> f32 {
  return y * (1.0 - y);
}
