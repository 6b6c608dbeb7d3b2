// x and its derivative.
// Twin: Activation::Identity in src/graph/epilogue.rs.

fn activate(x: f32) -> f32 {
  return x;
}

fn activate_derivative(x: f32, y: f32) -> f32 {
  return 1.0;
}
