// loss[r] = sum_c (p[r, c] - t[r, c])^2 / COLUMNS and
// residual[r, c] = 2 (p[r, c] - t[r, c]) / COLUMNS.
// p, t, residual: [ROWS, COLUMNS]; loss: [ROWS]. An invocation or a workgroup a row
// (common/row_thread.wgsl, common/row_workgroup.wgsl).
// Twin: MeanSquaredError in src/ops/mean_squared_error.rs.

@group(0) @binding(0) var<storage, read> prediction: array<f32>;
@group(0) @binding(1) var<storage, read> goal: array<f32>;
@group(0) @binding(2) var<storage, read_write> loss: array<f32>;
@group(0) @binding(3) var<storage, read_write> residual: array<f32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let place = row_and_lane(workgroup_index(workgroup_id, num_workgroups), local_index);
  let exists = place.x < ROWS;
  // No early return: the barriers of a row need all invocations.
  let row = min(place.x, ROWS - 1u);
  let lane = place.y;
  let start = row * COLUMNS;
  var sum = 0.0;
  for (var c = lane; c < COLUMNS; c += LANES) {
    let difference = prediction[start + c] - goal[start + c];
    sum += difference * difference;
    if exists { residual[start + c] = 2.0 * difference / f32(COLUMNS); }
  }
  sum = row_sum(vec3<f32>(sum, 0.0, 0.0), lane).x;
  if lane == 0u && exists { loss[row] = sum / f32(COLUMNS); }
}
