// Which position of a window onto the data set stands in row `row` of this step's batch; EXAMPLES
// where it holds no example.
// The bindings `order` and `step` are the kernel's own. Twin: GatherBatch in src/ops/batch/gather/mod.rs.
fn example_of(row: u32) -> u32 {
  let position = (step[0] % STEPS_PER_EPOCH) * BATCH + row;
  if position >= ORDER_LENGTH { return EXAMPLES; }
  return select(position, EXAMPLES, order[position] == 0xffffffffu);
}
