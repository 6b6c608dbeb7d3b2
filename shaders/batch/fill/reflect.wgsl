// Where row or column `at` of what lies around an image with `side` of them is in the image:
// d c b a | a b c d | d c b a. Twin: FillMode::place in src/ops/batch/augment/options.rs.
fn filled(at: i32, side: i32) -> i32 {
  // The remainder of a negative number is negative.
  let rest = at % (2 * side);
  let within = select(rest, rest + 2 * side, rest < 0);
  return min(within, 2 * side - 1 - within);
}
