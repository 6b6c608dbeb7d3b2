// Activation functions and their derivatives; ACTIVATION is a constant, so that one case remains.
// Uses common/exp_log.wgsl; Kernel::activation adds both files.
// Twins: Activation::apply and Activation::derivative in src/graph/epilogue.rs.
// Source of gelu's tanh form: Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016.

const GELU_A: f32 = 0.7978845608028654; // sqrt(2 / pi)
const GELU_B: f32 = 0.044715;
const GELU_FLAT: f32 = 20.0;

// Up to this magnitude, tanh is the polynomial of tanhf of the Cephes library (S. L. Moshier);
// beyond, 1 - exp(-2 |x|) does not cancel. Largest error 1.5 ulps plus that of the division.
const TANH_POLYNOMIAL: f32 = 0.625;

fn tanh_accurate(x: f32) -> f32 {
  let z = x * x;
  var p = -5.70498872745e-3;
  p = p * z + 2.06390887954e-2;
  p = p * z - 5.37397155531e-2;
  p = p * z + 1.33314422036e-1;
  p = p * z - 3.33332819422e-1;
  let near_zero = p * z * x + x;
  let e = exp_accurate(-2.0 * abs(x));
  let magnitude = (1.0 - e) / (1.0 + e);
  return select(select(magnitude, -magnitude, x < 0.0), near_zero, abs(x) < TANH_POLYNOMIAL);
}

// 1 / (1 + exp(-x)), without overflow: the exponential is at most one.
fn sigmoid(x: f32) -> f32 {
  let e = exp_accurate(-abs(x));
  return select(1.0, e, x < 0.0) / (1.0 + e);
}

// 0.5 (1 + tanh(GELU_A (x + GELU_B x^3))) as a sigmoid, since 0.5 (1 + tanh(u)) = sigmoid(2 u) and
// 1 + tanh cancels.
fn gelu_gate_argument(x: f32) -> f32 {
  return 2.0 * GELU_A * (x + GELU_B * x * x * x);
}

fn activate(x: f32) -> f32 {
  switch ACTIVATION {
    // select, not max: max(NaN, 0) is 0 on many devices and would hide a NaN.
    case 1u: { return select(x, 0.0, x < 0.0); }
    case 2u: { return select(x, 0.01 * x, x < 0.0); }
    case 3u: { return x * sigmoid(gelu_gate_argument(x)); }
    case 4u: { return sigmoid(x); }
    case 5u: { return tanh_accurate(x); }
    case 6u: { return x * sigmoid(x); }
    default: { return x; }
  }
}

// Derivative at x, where y = activate(x).
fn activate_derivative(x: f32, y: f32) -> f32 {
  switch ACTIVATION {
    case 1u: { return select(0.0, 1.0, y > 0.0); }
    case 2u: { return select(0.01, 1.0, y > 0.0); }
    case 3u: {
      // Beyond GELU_FLAT the derivative is 0 or 1; a larger x would overflow. Keeps NaN.
      let near = select(select(x, GELU_FLAT, x > GELU_FLAT), -GELU_FLAT, x < -GELU_FLAT);
      let u = gelu_gate_argument(near);
      let gate = sigmoid(u);
      // sigmoid'(u) = sigmoid(u) sigmoid(-u)
      return gate + near * gate * sigmoid(-u) * 2.0 * GELU_A * (1.0 + 3.0 * GELU_B * near * near);
    }
    case 4u: { return y * (1.0 - y); }
    // 1 - y is exact near 1, where 1 - y * y would cancel.
    case 5u: { return (1.0 - y) * (1.0 + y); }
    case 6u: {
      let s = sigmoid(x);
      return s * (1.0 + x * sigmoid(-x));
    }
    default: { return 1.0; }
  }
}
