// dx[n, r, c] = dy[n, c] / ROWS, where r are the ROWS positions of an image.
// dy: [N, C]; dx: [N, ROWS, C], C in groups of FLOATS. One invocation computes the channels of one
// group at one position. Twin: GlobalAvgPool2dGrad in src/ops/pool/global_average.rs.

@group(0) @binding(0) var<storage, read> dy: array<FLOATS>;
@group(0) @binding(1) var<storage, read_write> dx: array<FLOATS>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  let n = i / (GROUPS * ROWS);
  dx[i] = dy[n * GROUPS + i % GROUPS] / FLOATS(f32(ROWS));
}
