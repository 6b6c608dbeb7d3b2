// y[r, c] = exp(x[r, c] - m) / (1 + o), or its logarithm where LOGARITHM is 1, with m the row's
// maximum and o the sum of exp(x - m) over all but one column of the maximum. The logarithm is
// -((m - x) + log1p(o)), whose terms are positive: nothing cancels.
// A row whose maximum is not finite gives NaN.
// x, y: [ROWS, COLUMNS]. An invocation or a workgroup a row (common/row_thread.wgsl,
// common/row_workgroup.wgsl).
// Twins: Softmax and LogSoftmax in src/ops/softmax.rs and src/ops/log_softmax.rs.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

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

  var key = 0u;
  for (var c = lane; c < COLUMNS; c += LANES) { key = max(key, order_key(x[start + c])); }
  let largest = from_order_key(row_max(key, lane));

  // Sum of exponentials below the maximum, number of maxima.
  var sums = vec3<f32>(0.0);
  for (var c = lane; c < COLUMNS; c += LANES) {
    let below = largest - x[start + c];
    if below > 0.0 {
      sums.x += exp_accurate(-below);
    } else {
      sums.y += 1.0;
    }
  }
  sums = row_sum(sums, lane);
  let others = sums.x + (sums.y - 1.0);
  let log_sum = log1p_accurate(others);
  for (var c = lane; c < COLUMNS; c += LANES) {
    let below = largest - x[start + c];
    var value = 0.0;
    if LOGARITHM == 1u {
      value = -(below + log_sum);
    } else {
      value = exp_accurate(-below) / (1.0 + others);
    }
    if place.x < ROWS { y[start + c] = poison(value, !is_finite(largest)); }
  }
}
