// The logistic function. Uses common/exp_log.wgsl.

// 1 / (1 + exp(-x)), without overflow: the exponential is at most one.
fn logistic(x: f32) -> f32 {
  // NaN where x is, whatever a comparison with NaN gives.
  let e = exp_accurate(-abs(x));
  return select(1.0, e, x < 0.0) / (1.0 + e);
}
