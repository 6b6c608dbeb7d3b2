// loss[r] = -sum_c t[r, c] log p[r, c] and residual[r, c] = s p[r, c] - t[r, c], where
// p = softmax(logits[r]) and s = sum_c t[r, c] (one for probabilities).
// With m the row's maximum and o the sum of exp(x[c] - m) over all but one c of the largest x:
//   loss = s log1p(o) + sum_c t[c] (m - x[c]), of which no term is negative where no t is.
// A row whose maximum is not finite gives NaN; a target of zero does not see its logit.
// logits, targets, residual: [ROWS, COLUMNS]; loss: [ROWS]. An invocation or a workgroup a row
// (common/row_thread.wgsl, common/row_workgroup.wgsl).
// Twin: SoftCrossEntropy in src/ops/soft_cross_entropy.rs.

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> targets: array<f32>;
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

  var key = 0u;
  for (var c = lane; c < COLUMNS; c += LANES) { key = max(key, order_key(logits[start + c])); }
  let largest = from_order_key(row_max(key, lane));
  let invalid = !is_finite(largest);

  // Sum of exponentials below the maximum, number of maxima; sum of targets, and of targets times
  // distances to the maximum.
  var sums = vec3<f32>(0.0);
  var target_sums = vec3<f32>(0.0);
  for (var c = lane; c < COLUMNS; c += LANES) {
    let below = largest - logits[start + c];
    if below > 0.0 {
      sums.x += exp_accurate(-below);
    } else {
      sums.y += 1.0;
    }
    let t = targets[start + c];
    target_sums.x += t;
    // The distance may be infinite.
    if (bitcast<u32>(t) & 0x7fffffffu) != 0u { target_sums.y += t * below; }
  }
  sums = row_sum(sums, lane);
  target_sums = row_sum(target_sums, lane);
  let others = sums.x + (sums.y - 1.0);
  let total = 1.0 + others;

  if lane == 0u && exists {
    let row_loss = target_sums.x * log1p_accurate(others) + target_sums.y;
    loss[row] = poison(row_loss, invalid);
  }
  for (var c = lane; c < COLUMNS; c += LANES) {
    let p = exp_accurate(logits[start + c] - largest) / total;
    let difference = target_sums.x * p - targets[start + c];
    if exists { residual[start + c] = poison(difference, invalid); }
  }
}
