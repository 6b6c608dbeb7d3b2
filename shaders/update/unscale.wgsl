// grads = grads / scale, in place; overflow = 1 where an element is infinite or NaN.
// scale: f32[1]; grads: [INVOCATIONS] of FLOATS; overflow: u32[1], which is 0 before.
// One invocation divides one of them. Uses common/float_bits_each.wgsl.
// Twin: Unscale in src/ops/update/loss_scale.rs.

@group(0) @binding(0) var<storage, read> scale: array<f32>;
@group(0) @binding(1) var<storage, read_write> grads: array<FLOATS>;
// Whoever writes it writes the same: the order does not matter.
@group(0) @binding(2) var<storage, read_write> overflow: array<atomic<u32>>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  let grad = grads[i];
  if any(!is_finite_each(grad)) {
    atomicStore(&overflow[0], 1u);
  }
  grads[i] = grad * (1.0 / scale[0]);
}
