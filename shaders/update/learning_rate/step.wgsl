// factor^floor(since / EVERY).
fn factor_after(since: u32) -> f32 {
  return power(since / EVERY);
}
