// FINAL_FACTOR + (1 - FINAL_FACTOR) (1 + cos(pi since / LENGTH)) / 2.
// Source: Loshchilov and Hutter, "SGDR", 2017.
fn factor_after(since: u32) -> f32 {
  // 0.5 (1 + cos(pi t)) = sin(pi/2 (1 - t))^2, which does not cancel near t = 1.
  let remaining = f32(LENGTH - min(since, LENGTH)) / f32(LENGTH);
  let sine = sine_of_quarter_turns(remaining);
  return FINAL_FACTOR + REMAINING_FACTOR * (sine * sine);
}
