// Where row or column `at` of what lies around an image with `side` of them is in the image:
// a a a a | a b c d | d d d d. Twin: FillMode::place in src/ops/batch/augment/options.rs.
fn filled(at: i32, side: i32) -> i32 {
  return clamp(at, 0, side - 1);
}
