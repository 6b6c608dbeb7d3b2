// y[i] = x[i], 16 bytes at a time: the bandwidth of copying within device memory.
// x, y: [INVOCATIONS * COPIES] of 16 bytes. One invocation copies COPIES elements, INVOCATIONS
// apart, so that neighbors always copy neighbors.
// No twin: the time is what counts. Source: STREAM, McCalpin, 1995.

@group(0) @binding(0) var<storage, read> x: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<u32>>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  for (var k = 0u; k < COPIES; k += 1u) {
    y[i + k * INVOCATIONS] = x[i + k * INVOCATIONS];
  }
}
