// y[i] = VALUE.
// y: [INVOCATIONS] elements of type Element, which is f32 or vec4<f32>. One invocation writes one.
// Twin: Fill in src/ops/state.rs.

@group(0) @binding(0) var<storage, read_write> y: array<Element>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  y[i] = Element(VALUE);
}
