// y[o, c, m, r] = x[o, r, m, c]: a transposition of rows and columns.
// x: [outer, ROWS, MIDDLE, COLUMNS]; y: [outer, COLUMNS, MIDDLE, ROWS].
// One invocation copies one element. Prepares operands of the tiled products.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  let row = i % ROWS;
  let middle = i / ROWS % MIDDLE;
  let column = i / (ROWS * MIDDLE) % COLUMNS;
  let outer = i / (ROWS * MIDDLE * COLUMNS);
  y[i] = x[((outer * ROWS + row) * MIDDLE + middle) * COLUMNS + column];
}
