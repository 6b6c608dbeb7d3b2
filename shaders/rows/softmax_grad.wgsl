// dx[r, c] = y[r, c] (dy[r, c] - sum_k y[r, k] dy[r, k]), for y = softmax(x); where LOGARITHM is 1,
// y = log softmax(x) and dx[r, c] = dy[r, c] - exp(y[r, c]) sum_k dy[r, k].
// y, dy, dx: [ROWS, COLUMNS]. An invocation or a workgroup a row (common/row_thread.wgsl,
// common/row_workgroup.wgsl).
// Twins: SoftmaxGrad and LogSoftmaxGrad in src/ops/softmax.rs and src/ops/log_softmax.rs.

@group(0) @binding(0) var<storage, read> y: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;

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
  let start = row * COLUMNS;

  var sum = 0.0;
  for (var c = lane; c < COLUMNS; c += LANES) {
    let weight = select(y[start + c], 1.0, LOGARITHM == 1u);
    sum += weight * dy[start + c];
  }
  sum = row_sum(vec3<f32>(sum, 0.0, 0.0), lane).x;
  for (var c = lane; c < COLUMNS; c += LANES) {
    let i = start + c;
    var value = 0.0;
    if LOGARITHM == 1u {
      value = dy[i] - exp_accurate(y[i]) * sum;
    } else {
      value = y[i] * (dy[i] - sum);
    }
    if place.x < ROWS { dx[i] = value; }
  }
}
