// Sums over the rows of a batch that have a label, by one workgroup: invocation i takes rows i,
// i + WORKGROUP_SIZE, ..., and the sums are combined as a tree, in a fixed order.
// The bindings `rows` [ROWS], `logits` [ROWS, COLUMNS] and `labels` [ROWS] are the kernel's own. Of equal
// logits the first counts as larger, NaN as larger than all.

var<workgroup> row_sums: array<f32, WORKGROUP_SIZE>;
var<workgroup> row_counts: array<vec3<u32>, WORKGROUP_SIZE>;

// Number of columns whose logits come before that of the label; COLUMNS where it is no column.
fn rank_of(row: u32, label: u32) -> u32 {
  if label >= COLUMNS { return COLUMNS; }
  let own = order_key(logits[row * COLUMNS + label]);
  var larger = 0u;
  for (var c = 0u; c < COLUMNS; c += 1u) {
    let key = order_key(logits[row * COLUMNS + c]);
    larger += u32(key > own || (key == own && c < label));
  }
  return larger;
}

// Leaves in row_sums[0] the sum of `rows`, and in row_counts[0] the numbers of rows with a label: all,
// those whose label has the largest logit, and those where it is among the `k` largest. Must be called
// in uniform control flow.
fn tally(lane: u32, k: u32) {
  var sum = 0.0;
  var count = vec3<u32>(0u);
  for (var row = lane; row < ROWS; row += WORKGROUP_SIZE) {
    let label = labels[row];
    if label != IGNORED_LABEL {
      sum += rows[row];
      let rank = rank_of(row, label);
      count += vec3<u32>(1u, u32(rank == 0u), u32(rank < k));
    }
  }
  row_sums[lane] = sum;
  row_counts[lane] = count;
  // Orders the writes of one level before the reads of the next.
  workgroupBarrier();
  for (var half = WORKGROUP_SIZE / 2u; half > 0u; half /= 2u) {
    if lane < half {
      row_sums[lane] += row_sums[lane + half];
      row_counts[lane] += row_counts[lane + half];
    }
    workgroupBarrier();
  }
}
