// drows[r] = dy / max(1, number of labels that are not IGNORED_LABEL), 0 where ignored.
// labels, drows: [ROWS]; dy: [1]. One workgroup: counts the labels, then invocation i writes rows
// i, i + WORKGROUP_SIZE, ...
// Twin: MaskedMeanGrad in src/ops/loss.rs.

@group(0) @binding(0) var<storage, read> labels: array<u32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> drows: array<f32>;

var<workgroup> counts: array<u32, WORKGROUP_SIZE>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(local_invocation_index) lane: u32) {
  var count = 0u;
  for (var row = lane; row < ROWS; row += WORKGROUP_SIZE) {
    count += u32(labels[row] != IGNORED_LABEL);
  }
  counts[lane] = count;
  // Orders the writes of one level before the reads of the next.
  workgroupBarrier();
  for (var half = WORKGROUP_SIZE / 2u; half > 0u; half /= 2u) {
    if lane < half { counts[lane] += counts[lane + half]; }
    workgroupBarrier();
  }
  let share = dy[0] / f32(max(counts[0], 1u));
  for (var row = lane; row < ROWS; row += WORKGROUP_SIZE) {
    drows[row] = select(share, 0.0, labels[row] == IGNORED_LABEL);
  }
}
