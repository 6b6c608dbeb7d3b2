// Activation of four floats: the vector twin of activation_one.wgsl. FLOATS is vec4<f32>.

fn activate_each(x: FLOATS) -> FLOATS {
  return FLOATS(activate(x.x), activate(x.y), activate(x.z), activate(x.w));
}

fn derivative_each(value: FLOATS) -> FLOATS {
  return FLOATS(
    activate_derivative(value.x, value.x),
    activate_derivative(value.y, value.y),
    activate_derivative(value.z, value.z),
    activate_derivative(value.w, value.w),
  );
}
