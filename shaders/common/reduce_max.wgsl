// Reduction by maximum, of which NaN is the largest: the state is the order_key of
// common/float_bits.wgsl, since max(x, NaN) may be x. FLOATS is f32.

alias STATE = u32;

fn start() -> STATE {
  return 0u;
}

fn widen(x: FLOATS) -> STATE {
  return order_key(x);
}

fn combine(a: STATE, b: STATE) -> STATE {
  return max(a, b);
}

fn finish(state: STATE) -> FLOATS {
  return from_order_key(state);
}
