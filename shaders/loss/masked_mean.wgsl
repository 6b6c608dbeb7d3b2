// y = sum of rows[r] over the labels that are not IGNORED_LABEL / max(1, their number).
// rows, labels: [ROWS]; y: [1]. One workgroup: invocation i adds rows i, i + WORKGROUP_SIZE, ...,
// and the sums are combined as a tree, in a fixed order.
// Twin: MaskedMean in src/ops/loss.rs.

@group(0) @binding(0) var<storage, read> rows: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

var<workgroup> sums: array<f32, WORKGROUP_SIZE>;
var<workgroup> counts: array<u32, WORKGROUP_SIZE>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(local_invocation_index) lane: u32) {
  var sum = 0.0;
  var count = 0u;
  for (var row = lane; row < ROWS; row += WORKGROUP_SIZE) {
    if labels[row] != IGNORED_LABEL {
      sum += rows[row];
      count += 1u;
    }
  }
  sums[lane] = sum;
  counts[lane] = count;
  // Orders the writes of one level before the reads of the next.
  workgroupBarrier();
  for (var half = WORKGROUP_SIZE / 2u; half > 0u; half /= 2u) {
    if lane < half {
      sums[lane] += sums[lane + half];
      counts[lane] += counts[lane + half];
    }
    workgroupBarrier();
  }
  if lane == 0u { y[0] = sums[0] / f32(max(counts[0], 1u)); }
}
