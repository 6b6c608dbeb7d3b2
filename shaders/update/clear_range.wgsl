// arena[j] = 0 for START <= j < START + INVOCATIONS. One invocation clears one element.
// Twin: src/ops/update/clear_gaps.rs.

@group(0) @binding(0) var<storage, read_write> arena: array<f32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  arena[START + i] = 0.0;
}
