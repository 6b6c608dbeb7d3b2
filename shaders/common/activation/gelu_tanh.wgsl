// 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) and its derivative at x.
// Uses common/activation/logistic.wgsl and common/float_bits.wgsl.
// Twin: Activation::GeluTanh in src/graph/epilogue.rs.
// Source: Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016.

const GELU_A: f32 = 0.7978845608028654; // sqrt(2 / pi)
const GELU_B: f32 = 0.044715;
const GELU_FLAT: f32 = 20.0;

// 0.5 (1 + tanh(u)) = logistic(2 u): 1 + tanh would cancel.
fn gelu_gate_argument(x: f32) -> f32 {
  return 2.0 * GELU_A * (x + GELU_B * x * x * x);
}

fn activate(x: f32) -> f32 {
  return x * logistic(gelu_gate_argument(x));
}

fn activate_derivative(x: f32, y: f32) -> f32 {
  // Beyond GELU_FLAT the derivative is 0 or 1; a larger x would overflow. There is none at infinities.
  let near = within(x, GELU_FLAT);
  let u = gelu_gate_argument(near);
  let gate = logistic(u);
  // logistic'(u) = logistic(u) logistic(-u)
  return gate + near * gate * logistic(-u) * 2.0 * GELU_A * (1.0 + 3.0 * GELU_B * near * near);
}
