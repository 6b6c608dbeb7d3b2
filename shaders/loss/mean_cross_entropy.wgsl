// Makes softmax_cross_entropy.wgsl write the gradient of the mean of its losses: residuals times
// seed() / max(1, number of labels that are not IGNORED_LABEL). Every workgroup counts all labels.
// Twin: MeanCrossEntropy in src/ops/loss/mean_cross_entropy.rs.

var<workgroup> label_counts: array<u32, WORKGROUP_SIZE>;

fn share(lane: u32) -> f32 {
  var count = 0u;
  for (var row = lane; row < ROWS; row += WORKGROUP_SIZE) {
    count += u32(labels[row] != IGNORED_LABEL);
  }
  label_counts[lane] = count;
  // Orders the writes of one level before the reads of the next.
  workgroupBarrier();
  for (var half = WORKGROUP_SIZE / 2u; half > 0u; half /= 2u) {
    if lane < half { label_counts[lane] += label_counts[lane + half]; }
    workgroupBarrier();
  }
  return seed() / f32(max(label_counts[0], 1u));
}
