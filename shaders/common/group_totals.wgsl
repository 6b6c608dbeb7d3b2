// Sums over the ROW_LANES invocations of a workgroup that share a group of channels: invocation i has
// group i % GROUP_BLOCK. By a tree of fixed shape: the same bits on every run. Must be called in uniform
// control flow, once.

const WORKGROUP_SIZE: u32 = GROUP_BLOCK * ROW_LANES;

var<workgroup> first_totals: array<FLOATS, WORKGROUP_SIZE>;
var<workgroup> second_totals: array<FLOATS, WORKGROUP_SIZE>;

// Both sums of the group of an invocation.
struct Totals {
  first: FLOATS,
  second: FLOATS,
}

fn group_totals(first: FLOATS, second: FLOATS, local_index: u32) -> Totals {
  first_totals[local_index] = first;
  second_totals[local_index] = second;
  for (var half = WORKGROUP_SIZE / 2u; half >= GROUP_BLOCK; half /= 2u) {
    // The values of the level below are written.
    workgroupBarrier();
    if local_index < half {
      first_totals[local_index] += first_totals[local_index + half];
      second_totals[local_index] += second_totals[local_index + half];
    }
  }
  // The totals are written.
  workgroupBarrier();
  let group = local_index % GROUP_BLOCK;
  return Totals(first_totals[group], second_totals[group]);
}
