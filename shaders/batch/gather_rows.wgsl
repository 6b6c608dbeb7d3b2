// y[i, j] = table[order[p], j] with p = (step % STEPS_PER_EPOCH) * BATCH + i, and ABSENT where the epoch
// has no example p. Words are copied as they are.
// table: [EXAMPLES, ROW]; order: u32[ORDER_LENGTH]; step: u32[1]; y: [BATCH, ROW].
// One invocation copies one word.
// Twin: GatherRows in src/ops/batch/gather_rows.rs.

@group(0) @binding(0) var<storage, read> order: array<u32>;
@group(0) @binding(1) var<storage, read> step: array<u32>;
@group(0) @binding(2) var<storage, read> table: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<u32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  let example = example_of(i / ROW);
  if example < EXAMPLES {
    y[i] = table[example * ROW + i % ROW];
  } else {
    y[i] = ABSENT;
  }
}
