// loss[r] = -sum_c t[c] log p[c] and residual[r, c] = p[c] - t[c], where p = softmax(logits[r]) and
// t is 1 - SMOOTHING at the label, plus SMOOTHING / COLUMNS everywhere.
// With m the row's maximum and o the sum of exp(x[c] - m) over all but one c of the largest x:
//   loss = log1p(o) + (1 - SMOOTHING) (m - x[label]) + SMOOTHING / COLUMNS sum_c (m - x[c]),
// whose terms are all positive: nothing cancels, however small the loss. At a label of the largest
// logit, p - 1 = -o / (1 + o) for the same reason.
// Residuals are multiplied by a share, which common/whole_share.wgsl or mean_cross_entropy.wgsl tells.
// A row whose maximum is not finite, or whose label is too large, gives NaN; an ignored label gives
// zeros.
// logits, residual: [ROWS, COLUMNS]; labels, loss: [ROWS]. An invocation or a workgroup a row
// (common/row_thread.wgsl, common/row_workgroup.wgsl).
// Twin: SoftmaxCrossEntropy in src/ops/loss/softmax_cross_entropy.rs.

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
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

  // Sum of exponentials below the maximum, number of maxima, sum of distances to the maximum.
  var sums = vec3<f32>(0.0);
  for (var c = lane; c < COLUMNS; c += LANES) {
    let below = largest - logits[start + c];
    if below > 0.0 {
      sums += vec3<f32>(exp_accurate(-below), 0.0, below);
    } else {
      sums.y += 1.0;
    }
  }
  sums = row_sum(sums, lane);
  let others = sums.x + (sums.y - 1.0);
  let total = 1.0 + others;

  let label = labels[row];
  let at_label = largest - logits[start + min(label, COLUMNS - 1u)];
  let ignored = label == IGNORED_LABEL;
  let invalid = !ignored && (label >= COLUMNS || !is_finite(largest));
  if lane == 0u && exists {
    var row_loss = log1p_accurate(others) + (1.0 - SMOOTHING) * at_label;
    // Not where there is no smoothing: the distance may be infinite.
    if SMOOTHING > 0.0 { row_loss += OFF_TARGET * sums.z; }
    loss[row] = poison(select(row_loss, 0.0, ignored), invalid);
  }
  let factor = share(local_index);
  for (var c = lane; c < COLUMNS; c += LANES) {
    let below = largest - logits[start + c];
    var difference = exp_accurate(-below) / total - OFF_TARGET;
    if c == label {
      difference = select(difference - (1.0 - SMOOTHING), SMOOTHED - others / total, below <= 0.0);
    }
    if exists { residual[start + c] = poison(factor * select(difference, 0.0, ignored), invalid); }
  }
}
