// The hyperbolic tangent and its derivative, where y = activate(x). Uses common/exp_log.wgsl.
// Twin: Activation::Tanh in src/graph/epilogue.rs.

// Up to this magnitude, tanh is the polynomial of tanhf of the Cephes library (S. L. Moshier);
// beyond, 1 - exp(-2 |x|) does not cancel. Largest error 1.5 ulps plus that of the division.
const TANH_POLYNOMIAL: f32 = 0.625;

fn activate(x: f32) -> f32 {
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

fn activate_derivative(x: f32, y: f32) -> f32 {
  // 1 - y is exact near 1, where 1 - y * y would cancel.
  return (1.0 - y) * (1.0 + y);
}
