// y[r] = sum_c x[r, c].
// x: [ROWS, COLUMNS]; y: [ROWS]. One invocation sums one row, in order.
// Twin: SumColumns in src/ops/reduce.rs.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let row = flat_index(workgroup_id, num_workgroups, local_index);
  if row >= INVOCATIONS { return; }
  var sum = 0.0;
  for (var column = 0u; column < COLUMNS; column += 1u) {
    sum += x[row * COLUMNS + column];
  }
  y[row] = sum;
}
