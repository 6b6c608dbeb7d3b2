// Reduction by sum: the state is the sum so far. SCALE is 1, or 1 / n for the last step of a mean.
// FLOATS is f32 or vec4<f32>.

alias STATE = FLOATS;

fn start() -> STATE {
  return FLOATS(0.0);
}

fn widen(x: FLOATS) -> STATE {
  return x;
}

fn combine(a: STATE, b: STATE) -> STATE {
  return a + b;
}

fn finish(state: STATE) -> FLOATS {
  return state * SCALE;
}
