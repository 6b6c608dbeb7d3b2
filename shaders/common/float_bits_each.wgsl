// Tests of each element of FLOATS by its bits, WORDS, which give FLAGS: see common/float_bits.wgsl.

fn is_nan_each(x: FLOATS) -> FLAGS {
  return (bitcast<WORDS>(x) & WORDS(0x7fffffffu)) > WORDS(0x7f800000u);
}

fn is_finite_each(x: FLOATS) -> FLAGS {
  return (bitcast<WORDS>(x) & WORDS(0x7fffffffu)) < WORDS(0x7f800000u);
}

// x within `low` and `high`, numbers; NaN stays.
fn clamp_each(x: FLOATS, low: FLOATS, high: FLOATS) -> FLOATS {
  return select(clamp(x, low, high), x, is_nan_each(x));
}

// 1 where x is positive, -1 where it is negative, 0 at zeros and NaN; subnormal numbers count.
fn sign_each(x: FLOATS) -> FLOATS {
  let bits = bitcast<WORDS>(x);
  let magnitude = bits & WORDS(0x7fffffffu);
  let is_number = (magnitude != WORDS(0u)) & (magnitude <= WORDS(0x7f800000u));
  let one = select(FLOATS(1.0), FLOATS(-1.0), bits > WORDS(0x80000000u));
  return select(FLOATS(0.0), one, is_number);
}
