// Activation functions and their derivatives; ACTIVATION is a constant, so that one case remains.
// Twins: Activation::apply and Activation::derivative in src/graph/epilogue.rs.
// Source of gelu's tanh form: Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016.

const GELU_A: f32 = 0.7978845608028654; // sqrt(2 / pi)
const GELU_B: f32 = 0.044715;

// Built-in tanh overflows to NaN on some devices for large arguments, and 1 - tanh is zero in f32
// from 10 on. The clamp would make a number of a NaN: its bits are put back.
fn tanh_clamped(x: f32) -> f32 {
  let is_nan_bits = (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
  let value = bitcast<u32>(tanh(clamp(x, -10.0, 10.0)));
  return bitcast<f32>(value | select(0u, 0x7fc00000u, is_nan_bits));
}

fn sigmoid(x: f32) -> f32 {
  return 1.0 / (1.0 + exp(-x));
}

fn activate(x: f32) -> f32 {
  switch ACTIVATION {
    // select, not max: max(NaN, 0) is 0 on many devices and would hide a NaN.
    case 1u: { return select(x, 0.0, x < 0.0); }
    case 2u: { return select(x, 0.01 * x, x < 0.0); }
    case 3u: { return 0.5 * x * (1.0 + tanh_clamped(GELU_A * (x + GELU_B * x * x * x))); }
    case 4u: { return sigmoid(x); }
    case 5u: { return tanh_clamped(x); }
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
      let t = tanh_clamped(GELU_A * (x + GELU_B * x * x * x));
      return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * GELU_A * (1.0 + 3.0 * GELU_B * x * x);
    }
    case 4u: { return y * (1.0 - y); }
    case 5u: { return 1.0 - y * y; }
    case 6u: {
      let s = sigmoid(x);
      return s * (1.0 + x * (1.0 - s));
    }
    default: { return 1.0; }
  }
}
