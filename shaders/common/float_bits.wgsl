// Tests, limits and orders of floats that hold for NaN and infinities on every device. Only bits tell:
// WGSL lets an implementation assume that neither occurs, so that it may answer a comparison with NaN
// either way, and make a max of a comparison and a select.
// Each meaning has its function here, or in common/float_bits_each.wgsl for vectors.
// No twin: Rust code uses the methods of floats.

fn is_nan(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

fn is_finite(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) < 0x7f800000u;
}

// NaN where `poisoned`, else x. The bits are made at run time: NaN is no constant of WGSL.
fn poison(x: f32, poisoned: bool) -> f32 {
  return bitcast<f32>(bitcast<u32>(x) | select(0u, 0x7fc00000u, poisoned));
}

// x, but at least `low`, a number; NaN stays.
fn at_least(x: f32, low: f32) -> f32 {
  return select(max(x, low), x, is_nan(x));
}

// x within -limit and limit, a positive number; infinities and NaN stay.
fn within(x: f32, limit: f32) -> f32 {
  return select(x, clamp(x, -limit, limit), is_finite(x));
}

// An integer that orders floats: -inf lowest, both zeros equal, +inf below every NaN, and all NaN
// equal. Never zero.
fn order_key(x: f32) -> u32 {
  let bits = bitcast<u32>(x);
  let magnitude = bits & 0x7fffffffu;
  if magnitude > 0x7f800000u { return 0xffffffffu; }
  if magnitude == 0u { return 0x80000000u; }
  return select(bits | 0x80000000u, ~bits, (bits & 0x80000000u) != 0u);
}

// The float with that key.
fn from_order_key(key: u32) -> f32 {
  return bitcast<f32>(select(~key, key & 0x7fffffffu, key >= 0x80000000u));
}
