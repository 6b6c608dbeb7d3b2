// total'[i] = total[i] + value[i], in place; integers modulo 2^32.
// value, total: [INVOCATIONS], f32 or u32. One invocation computes one element.
// Twin: Accumulate in src/ops/state.rs.

@group(0) @binding(0) var<storage, read> value: array<Element>;
@group(0) @binding(1) var<storage, read_write> total: array<Element>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  total[i] += value[i];
}
