// factors[r] = WEIGHTS[labels[r]] times COUNT / TOTAL, 0 where the label is no class. COUNT is the number
// of labels that are classes, TOTAL the sum of their weights, at which 0 gives 0; with NORMALIZED 0
// both are 1.
// labels, factors: [ROWS]; WEIGHTS: [CLASSES]. One workgroup: sums the weights, then invocation i writes
// rows i, i + WORKGROUP_SIZE, ...
// Twin: ClassWeights in src/ops/loss/class_weights.rs.

@group(0) @binding(0) var<storage, read> labels: array<u32>;
@group(0) @binding(1) var<storage, read_write> factors: array<f32>;

var<workgroup> totals: array<f32, WORKGROUP_SIZE>;
var<workgroup> counts: array<u32, WORKGROUP_SIZE>;

fn weight_of(label: u32) -> f32 {
  var weights = WEIGHTS;
  return select(0.0, weights[min(label, CLASSES - 1u)], label < CLASSES);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(local_invocation_index) lane: u32) {
  var total = 0.0;
  var count = 0u;
  for (var row = lane; row < ROWS; row += WORKGROUP_SIZE) {
    total += weight_of(labels[row]);
    count += u32(labels[row] < CLASSES);
  }
  totals[lane] = total;
  counts[lane] = count;
  // Orders the writes of one level before the reads of the next.
  workgroupBarrier();
  for (var half = WORKGROUP_SIZE / 2u; half > 0u; half /= 2u) {
    if lane < half {
      totals[lane] += totals[lane + half];
      counts[lane] += counts[lane + half];
    }
    workgroupBarrier();
  }
  var share = 1.0;
  if NORMALIZED != 0u {
    share = select(f32(counts[0]) / totals[0], 0.0, totals[0] == 0.0);
  }
  for (var row = lane; row < ROWS; row += WORKGROUP_SIZE) {
    factors[row] = weight_of(labels[row]) * share;
  }
}
