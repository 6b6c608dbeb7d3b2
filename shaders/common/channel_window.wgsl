// Windows and power of local response normalization over CHANNELS channels: a window has SIZE of
// them, the channel itself after SIZE / 2 others. Uses common/float_bits.wgsl.
// Twin: window in src/ops/norm/local_response_norm/mod.rs.

// Channels [begin, end) that normalize channel c.
fn window_of(c: u32) -> vec2<u32> {
  return vec2<u32>(max(c, SIZE / 2u) - SIZE / 2u, min(c + (SIZE - 1u) / 2u + 1u, CHANNELS));
}

// Channels [begin, end) that channel c normalizes.
fn window_over(c: u32) -> vec2<u32> {
  let after = (SIZE - 1u) / 2u;
  return vec2<u32>(max(c, after) - after, min(c + SIZE / 2u + 1u, CHANNELS));
}

// base^-BETA. Built-in pow gives a number for a NaN on some devices.
fn inverse_power(base: f32) -> f32 {
  return poison(pow(base, -BETA), is_nan(base));
}
