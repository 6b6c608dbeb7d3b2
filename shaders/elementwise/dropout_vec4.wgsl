// The same function as dropout.wgsl for a number of elements that divides by four.
// x, y: [INVOCATIONS] vectors; step: [1]. One invocation computes one vector.
// Twin: Dropout in src/ops/dropout.rs.

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> step: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let draw = flat_index(workgroup_id, num_workgroups, local_index);
  if draw >= INVOCATIONS { return; }
  let words = philox4x32(vec4<u32>(draw, STREAM, step[0], 0u), vec2<u32>(SEED, KEY_HIGH));
  let uniform_numbers = vec4<f32>(
    uniform_from(words.x),
    uniform_from(words.y),
    uniform_from(words.z),
    uniform_from(words.w),
  );
  y[draw] = select(vec4<f32>(0.0), x[draw] * SCALE, uniform_numbers >= vec4<f32>(RATE));
}
