// x Phi(x), with the normal distribution Phi(x) = 0.5 (1 + erf(x / sqrt(2))), and its derivative at x.
// Uses common/activation/normal.wgsl and common/float_bits.wgsl.
// Twin: Activation::Gelu in src/graph/epilogue.rs.
// Source: Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016.

// Beyond this magnitude, Phi is 0 or 1, and its density 0.
const GELU_FLAT: f32 = 20.0;
const DENSITY_AT_ZERO: f32 = 0.3989422804; // 1 / sqrt(2 pi)

fn activate(x: f32) -> f32 {
  let near = within(x, GELU_FLAT);
  return x * normal_distribution(near, exp_accurate(-0.5 * near * near));
}

fn activate_derivative(x: f32, y: f32) -> f32 {
  // A larger x would overflow. There is no derivative at infinities.
  let near = within(x, GELU_FLAT);
  let e = exp_accurate(-0.5 * near * near);
  return normal_distribution(near, e) + near * (DENSITY_AT_ZERO * e);
}
