// The rate after the warmup stays.
fn factor_after(since: u32) -> f32 {
  return 1.0;
}
