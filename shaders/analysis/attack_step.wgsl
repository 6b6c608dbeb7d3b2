// x' = clamp(clamp(x + step_size sign(g), original - epsilon, original + epsilon), 0, 1), in place.
// g, original, x: [INVOCATIONS] of FLOATS; epsilon, step_size: f32[1].
// One invocation moves one of FLOATS. Where g is NaN, x is not moved. Uses
// common/float_bits_each.wgsl.
// Twin: AttackStep in src/ops/analysis/attack_step.rs.

@group(0) @binding(0) var<storage, read> g: array<FLOATS>;
@group(0) @binding(1) var<storage, read> original: array<FLOATS>;
@group(0) @binding(2) var<storage, read> epsilon: array<f32>;
@group(0) @binding(3) var<storage, read> step_size: array<f32>;
@group(0) @binding(4) var<storage, read_write> x: array<FLOATS>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  let center = original[i];
  let moved = x[i] + step_size[0] * sign_each(g[i]);
  let near = clamp(moved, center - epsilon[0], center + epsilon[0]);
  x[i] = clamp(near, FLOATS(0.0), FLOATS(1.0));
}
