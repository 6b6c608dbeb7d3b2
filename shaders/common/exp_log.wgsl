// exp, log and log1p of a few ulps: built-in ones lose 64 ulps (exp at -87) to 370,000 ulps (log
// near 1) on some devices. Uses common/float_bits.wgsl.
// Source: expf and logf of the Cephes library (S. L. Moshier, netlib.org/cephes/single), with
// the argument of exp reduced in integers, so that reassociation cannot merge the two parts of
// n ln 2. Largest errors over every 37th float whose result is normal, in f32 without fused
// operations: exp 1.0 ulp, log 0.8 ulps, log1p 2.1 ulps.
// No twin: reference code uses the functions of f64.

const LOG2_E: f32 = 1.4426950408889634;
// ln 2 = LN2_NUMERATOR / 2^15 + LN2_REST; n * LN2_NUMERATOR is exact for |n| <= 128.
const LN2_NUMERATOR: i32 = 22713;
const LN2_NUMERATOR_UNIT: f32 = 0.000030517578125;
const LN2_REST: f32 = 1.42860677e-6;
// Between these arguments exp is a normal f32.
const EXP_LOWEST: f32 = -87.33654;
const EXP_HIGHEST: f32 = 88.72283;
const SQRT_HALF: f32 = 0.70710678;
const SQRT_2: f32 = 1.41421356;

// e^x. Zero where the result would be denormal, the largest float where it would overflow.
fn exp_accurate(x_in: f32) -> f32 {
  let x = select(x_in, EXP_HIGHEST, x_in > EXP_HIGHEST);
  let n = i32(floor(x * LOG2_E + 0.5));
  let r = (x - f32(n * LN2_NUMERATOR) * LN2_NUMERATOR_UNIT) - f32(n) * LN2_REST;
  var p = 1.9875691500e-4;
  p = p * r + 1.3981999507e-3;
  p = p * r + 8.3334519073e-3;
  p = p * r + 4.1665795894e-2;
  p = p * r + 1.6666665459e-1;
  p = p * r + 5.0000001201e-1;
  p = (p * (r * r) + r) + 1.0;
  // p lies in [0.7, 1.42]: n is added to its exponent.
  let scaled = bitcast<f32>(bitcast<u32>(p) + (bitcast<u32>(n) << 23u));
  return poison(select(scaled, 0.0, x < EXP_LOWEST), is_nan(x_in));
}

// log(1 + f) - f for f in [sqrt(1/2) - 1, sqrt(2) - 1].
fn log1p_tail(f: f32) -> f32 {
  var p = 7.0376836292e-2;
  p = p * f - 1.1514610310e-1;
  p = p * f + 1.1676998740e-1;
  p = p * f - 1.2420140846e-1;
  p = p * f + 1.4249322787e-1;
  p = p * f - 1.6668057665e-1;
  p = p * f + 2.0000714765e-1;
  p = p * f - 2.4999993993e-1;
  p = p * f + 3.3333331174e-1;
  return p * f * (f * f) - 0.5 * (f * f);
}

// log(x) for normal, finite, positive x; NaN gives NaN.
fn log_accurate(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  let mantissa = bitcast<f32>((bits & 0x007fffffu) | 0x3f800000u);
  let halve = mantissa > SQRT_2;
  let exponent = i32(bits >> 23u) - 127 + select(0, 1, halve);
  let f = select(mantissa, 0.5 * mantissa, halve) - 1.0;
  let low = log1p_tail(f) + f32(exponent) * LN2_REST;
  let high = f32(exponent * LN2_NUMERATOR) * LN2_NUMERATOR_UNIT;
  return poison((f + low) + high, is_nan(x));
}

// log(1 + x) for finite x >= 0; NaN gives NaN.
fn log1p_accurate(x: f32) -> f32 {
  if x < SQRT_2 - 1.0 { return x + log1p_tail(x); }
  return log_accurate(1.0 + x);
}
