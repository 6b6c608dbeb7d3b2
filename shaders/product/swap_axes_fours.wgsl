// y[o, c, m, r] = x[o, r, m, c]: a transposition of rows and columns that both come in fours.
// x: [outer, ROWS, MIDDLE, COLUMNS / 4] vectors; y: [outer, COLUMNS, MIDDLE, ROWS / 4] vectors.
// One invocation copies a square of 4 x 4 elements. Prepares operands of the tiled products; twin in
// use: swap_axes.wgsl.

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;

const ROWS4: u32 = ROWS / 4u;
const COLUMNS4: u32 = COLUMNS / 4u;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  let row4 = i % ROWS4;
  let middle = i / ROWS4 % MIDDLE;
  let column4 = i / (ROWS4 * MIDDLE) % COLUMNS4;
  let outer = i / (ROWS4 * MIDDLE * COLUMNS4);
  let source = ((outer * ROWS + 4u * row4) * MIDDLE + middle) * COLUMNS4 + column4;
  let source_step = MIDDLE * COLUMNS4;
  let square = transpose(mat4x4<f32>(
    x[source],
    x[source + source_step],
    x[source + 2u * source_step],
    x[source + 3u * source_step],
  ));
  let target_at = ((outer * COLUMNS + 4u * column4) * MIDDLE + middle) * ROWS4 + row4;
  let target_step = MIDDLE * ROWS4;
  y[target_at] = square[0];
  y[target_at + target_step] = square[1];
  y[target_at + 2u * target_step] = square[2];
  y[target_at + 3u * target_step] = square[3];
}
