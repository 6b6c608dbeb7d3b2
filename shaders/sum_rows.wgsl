// y[c] = sum_r x[r, c].
// x: [ROWS, COLUMNS]; y: [COLUMNS]. One invocation sums one column, in order.
// Twin: SumRows in src/ops/reduce.rs.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let column = flat_index(workgroup_id, num_workgroups, local_index);
  if column >= INVOCATIONS { return; }
  var sum = 0.0;
  for (var row = 0u; row < ROWS; row += 1u) {
    sum += x[row * COLUMNS + column];
  }
  y[column] = sum;
}
