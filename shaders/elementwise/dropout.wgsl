// y[i] = x[i] * SCALE where uniform_i >= RATE, else 0; SCALE = 1 / (1 - RATE), and uniform_i comes
// from word i % 4 of philox4x32(counter = [i / 4, STREAM, step[0], 0], key = [SEED, KEY_HIGH]).
// x, y: [ELEMENTS]; step: [1]. One invocation computes four neighbouring elements, which share one
// draw; the last one may have fewer.
// Twin: Dropout in src/ops/dropout.rs.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> step: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let draw = flat_index(workgroup_id, num_workgroups, local_index);
  if draw >= INVOCATIONS { return; }
  var words = philox4x32(vec4<u32>(draw, STREAM, step[0], 0u), vec2<u32>(SEED, KEY_HIGH));
  let begin = draw * 4u;
  for (var i = begin; i < min(begin + 4u, ELEMENTS); i += 1u) {
    y[i] = select(0.0, x[i] * SCALE, uniform_from(words[i - begin]) >= RATE);
  }
}
