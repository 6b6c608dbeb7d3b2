// y = (clamp(round(x inverse) + zero_point, 0, 255) - zero_point) scale: x as 8 bits hold it.
// x, y: [INVOCATIONS] of FLOATS; grid: scale, inverse, zero_point. One invocation computes one of
// FLOATS. Where the scale is zero, y = x; NaN stays. Uses common/float_bits_each.wgsl.
// Twin: FakeQuantize in src/ops/analysis/fake_quantize.rs.

@group(0) @binding(0) var<storage, read> x: array<FLOATS>;
@group(0) @binding(1) var<storage, read> grid: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<FLOATS>;

const LAST_LEVEL: f32 = 255.0;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  let scale = grid[0];
  let zero_point = FLOATS(grid[2]);
  let value = x[i];
  // Halves go to the even level. Each operation is rounded as IEEE says, so that every device finds
  // the same level.
  let level = clamp_each(round(value * grid[1]) + zero_point, FLOATS(0.0), FLOATS(LAST_LEVEL));
  y[i] = select((level - zero_point) * scale, value, FLAGS(scale == 0.0));
}
