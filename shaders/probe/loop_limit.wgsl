// y = (number of iterations that a loop of limit[0] iterations made, state after them).
// The state is a linear congruential generator's, so that no compiler can leave the loop out.
// limit: u32[1]; y: u32[2]. One invocation runs the loop.
// Twin: loop_limit in src/verify/facts.rs. Source of the constants: Numerical Recipes, "ranqd1".

@group(0) @binding(0) var<storage, read> limit: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;

const MULTIPLIER: u32 = 1664525u;
const INCREMENT: u32 = 1013904223u;

@compute @workgroup_size(1)
fn main() {
  var state = 0u;
  var count = 0u;
  for (var i = 0u; i < limit[0]; i += 1u) {
    state = state * MULTIPLIER + INCREMENT;
    count += 1u;
  }
  y[0] = count;
  y[1] = state;
}
