// Where row or column `at` of what lies around an image with `side` of them is in the image:
// a b c d | a b c d | a b c d. Twin: FillMode::place in src/ops/batch/augment/options.rs.
fn filled(at: i32, side: i32) -> i32 {
  // The remainder of a negative number is negative.
  let rest = at % side;
  return select(rest, rest + side, rest < 0);
}
