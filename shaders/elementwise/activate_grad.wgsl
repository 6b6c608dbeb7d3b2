// dx = dy * f'(x), element by element. `value` is y = f(x) where f' can be computed
// from it, else x.
// value, dy, dx: [INVOCATIONS] of FLOATS. One invocation computes one of them.
// Twin: ActivateGrad in src/ops/activation.rs.

@group(0) @binding(0) var<storage, read> value: array<FLOATS>;
@group(0) @binding(1) var<storage, read> dy: array<FLOATS>;
@group(0) @binding(2) var<storage, read_write> dx: array<FLOATS>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  dx[i] = dy[i] * derivative_each(value[i]);
}
