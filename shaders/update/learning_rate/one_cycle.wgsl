// From FIRST_FACTOR up to 1 over RISE steps, which may end between two, of which RISING_STEPS are
// begun; then down to LAST_FACTOR over FALL steps, until step LAST.
// Source: Smith and Topin, "Super-Convergence", 2018; torch.optim.lr_scheduler.OneCycleLR.

// Part of the way up, after part x of the time: x itself, or (1 - cos(pi x)) / 2.
fn rise(x: f32) -> f32 {
  if LINEAR == 1u { return x; }
  let sine = sine_of_quarter_turns(x);
  return sine * sine;
}

fn factor_after(since: u32) -> f32 {
  // Rounding must not lead beyond the largest rate.
  if since < RISING_STEPS {
    return FIRST_FACTOR + ABOVE_FIRST * rise(min(f32(since) / RISE, 1.0));
  }
  let remaining = f32(LAST - min(since, LAST)) / FALL;
  return LAST_FACTOR + ABOVE_LAST * rise(min(remaining, 1.0));
}
