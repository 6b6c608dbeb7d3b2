// average' = average + w (params - average), in place, where w = max(ONE_MINUS_DECAY,
// 9 / (10 + step)).
// params, average: [INVOCATIONS] of Element; step: u32[1].
// One invocation updates one Element: one float or four.
// Twin: WeightAverage in src/ops/optimiser/average.rs.

@group(0) @binding(0) var<storage, read> params: array<Element>;
@group(0) @binding(1) var<storage, read> step: array<u32>;
@group(0) @binding(2) var<storage, read_write> average: array<Element>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  let weight = max(ONE_MINUS_DECAY, 9.0 / (10.0 + f32(step[0])));
  let old = average[i];
  average[i] = old + weight * (params[i] - old);
}
