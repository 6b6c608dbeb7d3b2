// y[r] = the first c < COLUMNS of the largest x[r * OUTER + c * INNER]; of the first NaN where
// there is one.
// x: any shape; y: [ROWS]. An invocation or a workgroup computes one element
// (common/row_thread.wgsl, common/row_workgroup.wgsl).
// Twins: Argmax in src/ops/accuracy.rs, ReduceMaxGrad in src/ops/reduce_max_grad.rs.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let place = row_and_lane(workgroup_index(workgroup_id, num_workgroups), local_index);
  // No early return: the barriers of a row need all invocations.
  let row = min(place.x, ROWS - 1u);
  let lane = place.y;
  let start = row * OUTER;
  var best_key = 0u;
  var best = COLUMNS;
  for (var c = lane; c < COLUMNS; c += LANES) {
    let key = order_key(x[start + c * INNER]);
    if key > best_key {
      best_key = key;
      best = c;
    }
  }
  let largest = row_max(best_key, lane);
  let first = row_min(select(COLUMNS, best, best_key == largest), lane);
  if lane == 0u && place.x < ROWS { y[row] = first; }
}
