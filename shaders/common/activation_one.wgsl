// Activation of one float: the scalar twin of activation_four.wgsl. FLOATS is f32.

fn activate_each(x: FLOATS) -> FLOATS {
  return activate(x);
}

fn derivative_each(value: FLOATS) -> FLOATS {
  return activate_derivative(value, value);
}
