// running[i] = KEEP * running[i] + ADD * value[i], in place, where weights(i) is (KEEP, ADD).
// running, value: [INVOCATIONS]. One invocation computes one element.
// Twin: RunningAverage in src/ops/update/running_average.rs.

@group(0) @binding(0) var<storage, read> value: array<f32>;
@group(0) @binding(1) var<storage, read_write> running: array<f32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  let weight = weights(i);
  running[i] = weight.x * running[i] + weight.y * value[i];
}
