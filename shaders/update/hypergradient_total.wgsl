// rate' = max(FLOOR, rate + STRENGTH sum / rate), in place, from the second step on; NaN stays NaN.
// partials: f32[GROUPS], what the workgroups of hypergradient_partial.wgsl left; step: u32[1];
// rate: f32[1]. One workgroup computes it: an invocation sums every WORKGROUP_SIZE-th partial, in
// order, and the workgroup its invocations as a tree. Uses common/float_bits.wgsl.
// Twin: Hypergradient in src/ops/update/optimizer/hypergradient.rs.
// Source: Baydin et al., "Online Learning Rate Adaptation with Hypergradient Descent", 2018.

@group(0) @binding(0) var<storage, read> partials: array<f32>;
@group(0) @binding(1) var<storage, read> step: array<u32>;
@group(0) @binding(2) var<storage, read_write> rate: array<f32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(local_invocation_index) local_index: u32) {
  var sum = 0.0;
  for (var group = local_index; group < GROUPS; group += WORKGROUP_SIZE) {
    sum += partials[group];
  }
  sum = workgroup_total(sum, local_index);
  if local_index == 0u && step[0] != 0u {
    let moved = rate[0] + STRENGTH * (sum / rate[0]);
    rate[0] = at_least(moved, FLOOR);
  }
}
