// Where row or column `at` of what lies around an image with `side` of them is in the image; negative
// for black, everywhere outside:
// 0 0 0 0 | a b c d | 0 0 0 0. Twin: FillMode::place in src/ops/batch/augment/options.rs.
fn filled(at: i32, side: i32) -> i32 {
  return select(-1, at, at >= 0 && at < side);
}
