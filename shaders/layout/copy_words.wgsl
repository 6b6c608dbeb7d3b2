// y[Y_OFFSET + i] = x[X_OFFSET + i]: copies 32-bit words of any element type.
// x, y: at least INVOCATIONS words from their offsets on. One invocation copies one word.
// Twin: View and Pack in src/ops/structural.rs.

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  y[Y_OFFSET + i] = x[X_OFFSET + i];
}
