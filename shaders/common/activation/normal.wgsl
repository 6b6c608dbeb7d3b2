// The normal distribution, and by it erf: Phi(x) = 0.5 (1 + erf(x / sqrt(2))), erf(x) = 2 Phi(x sqrt(2)) - 1.
// Twin: normal_distribution in src/graph/epilogue.rs; host kernels have the same polynomial.

// Phi(x), where e = exp(-x^2 / 2). Below zero it is small but keeps its digits, which 1 + erf would lose.
//
// Phi(-t) exp(t^2 / 2) for t >= 0 is a polynomial in s = 1 / (1 + 0.345 t) without a constant term, fitted
// for the least relative error on [0, 14], 2.1e-8, a fifth of an ulp. Its condition in s is below 2.4, and the
// magnitudes of its terms add up to 2.4 times their sum: in f32 without fused operations, the largest error
// of Phi(-t) / exp(-t^2 / 2) is 3 ulps, plus 2.4 times that of the division.
fn normal_distribution(x: f32, e: f32) -> f32 {
  let s = 1.0 / (1.0 + 0.345 * abs(x));
  var p = -0.028381703;
  p = p * s + 0.14528076;
  p = p * s - 0.27117068;
  p = p * s + 0.187194;
  p = p * s - 0.037599903;
  p = p * s + 0.111798875;
  p = p * s + 0.11723846;
  p = p * s + 0.13802086;
  p = p * s + 0.13761929;
  let tail = e * (p * s);
  // Whatever a comparison with NaN gives, both are NaN.
  return select(1.0 - tail, tail, x < 0.0);
}
