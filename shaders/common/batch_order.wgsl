// Which example stands in row `row` of this step's batch; EXAMPLES where there is none.
// The bindings `order` and `step` are the kernel's own. Twin: GatherBatch in src/ops/batch/gather/mod.rs.
fn example_of(row: u32) -> u32 {
  let position = (step[0] % STEPS_PER_EPOCH) * BATCH + row;
  if position >= ORDER_LENGTH { return EXAMPLES; }
  return min(order[position], EXAMPLES);
}
