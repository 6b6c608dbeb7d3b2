// step' = step + 1, modulo 2^32, in place.
// step: u32[1]. One invocation computes it.
// Twin: Advance in src/ops/state.rs.

@group(0) @binding(0) var<storage, read_write> step: array<u32>;

@compute @workgroup_size(1)
fn main() {
  step[0] += 1u;
}
