// max(x, 0) and its derivative, where y = activate(x). By bits, as integers: compilers make a max of a
// comparison with zero, which hides NaN.
// Twin: Activation::Relu in src/graph/epilogue.rs.

// Of negative infinity. As signed integers, the bits of negative numbers are at most as large; those
// of NaN of either sign, and of positive numbers, are larger.
const NEGATIVE_INFINITY: i32 = -8388608;

fn activate(x: f32) -> f32 {
  let bits = bitcast<i32>(x);
  return bitcast<f32>(select(bits, 0i, bits <= NEGATIVE_INFINITY));
}

// Zero at NaN.
fn activate_derivative(x: f32, y: f32) -> f32 {
  // The bits of positive numbers lie between 1 and those of infinity.
  return select(0.0, 1.0, bitcast<u32>(y) - 1u < 0x7f800000u);
}
