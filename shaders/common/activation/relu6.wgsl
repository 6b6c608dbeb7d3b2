// min(max(x, 0), 6) and its derivative, where y = activate(x). By bits, as integers: compilers make a
// clamp of comparisons, which hides NaN.
// Twin: Activation::Relu6 in src/graph/epilogue.rs.

// Of negative infinity: see relu.wgsl.
const NEGATIVE_INFINITY: i32 = -8388608;
// Of six, and what lies from there to infinity.
const SIX: u32 = 0x40c00000u;
const BEYOND_SIX: u32 = 0x7f800000u - SIX;

fn activate(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  let below_six = select(bits, SIX, bits - SIX <= BEYOND_SIX);
  return bitcast<f32>(select(below_six, 0u, bitcast<i32>(x) <= NEGATIVE_INFINITY));
}

// Zero at NaN.
fn activate_derivative(x: f32, y: f32) -> f32 {
  // The bits of numbers between zero and six lie between 1 and those of six.
  return select(0.0, 1.0, bitcast<u32>(y) - 1u < SIX - 1u);
}
