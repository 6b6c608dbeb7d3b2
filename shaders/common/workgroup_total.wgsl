// Sum over the invocations of a workgroup, by a tree of fixed shape: the same bits on every run.
// WORKGROUP_SIZE must be a power of two. Must be called in uniform control flow.

var<workgroup> partial_totals: array<FLOATS, WORKGROUP_SIZE>;

fn workgroup_total(value: FLOATS, local_index: u32) -> FLOATS {
  // Every invocation has read the total of the call before.
  workgroupBarrier();
  partial_totals[local_index] = value;
  for (var half = WORKGROUP_SIZE / 2u; half > 0u; half /= 2u) {
    // The values of the level below are written.
    workgroupBarrier();
    if local_index < half {
      partial_totals[local_index] += partial_totals[local_index + half];
    }
  }
  // The total is written.
  workgroupBarrier();
  return partial_totals[0];
}
