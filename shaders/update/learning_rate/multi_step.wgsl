// factor^n, where n of the N_MILESTONES have been reached.
fn factor_after(since: u32) -> f32 {
  var milestones = MILESTONES;
  var passed = 0u;
  for (var i = 0u; i < N_MILESTONES; i++) {
    passed += select(0u, 1u, milestones[i] <= since);
  }
  return power(passed);
}
