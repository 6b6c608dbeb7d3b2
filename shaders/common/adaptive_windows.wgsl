// Windows of adaptive pooling from an input of H x W to OH x OW: window o of `outputs` over `inputs`
// elements is [floor(o inputs / outputs), ceil((o + 1) inputs / outputs)), on each axis. Windows
// overlap where `outputs` does not divide `inputs`; one is never empty.
// Twin: window and windows_over in src/ops/pool/adaptive_average.rs.

// Elements [begin, end) of window o.
fn window_of(o: u32, inputs: u32, outputs: u32) -> vec2<u32> {
  return vec2<u32>(o * inputs / outputs, ((o + 1u) * inputs + outputs - 1u) / outputs);
}

// Windows [begin, end) that hold element i: the same rule with the roles exchanged.
fn windows_over(i: u32, inputs: u32, outputs: u32) -> vec2<u32> {
  return window_of(i, outputs, inputs);
}
