// y[s, o] = f over the k of split s of x[o * OUTER + k * INNER], where a split is SPLIT_LENGTH
// values of k < LENGTH, and f one of common/reduce_sum.wgsl and common/reduce_max.wgsl.
// x: FLOATS of any shape; y: [SPLITS, OUTPUTS]. A workgroup computes BLOCK neighbouring outputs of
// a split: lane l of LANES takes k = l, l + LANES, ..., and the lanes are combined as a tree, in a
// fixed order.
// Twins: SumRows, SumColumns and Reduce in src/ops/reduce.rs.

const LANES: u32 = WORKGROUP_SIZE / BLOCK;
// Workgroups of one split.
const BLOCKS: u32 = (OUTPUTS + BLOCK - 1u) / BLOCK;

@group(0) @binding(0) var<storage, read> x: array<FLOATS>;
@group(0) @binding(1) var<storage, read_write> y: array<FLOATS>;

var<workgroup> states: array<STATE, WORKGROUP_SIZE>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let workgroup = workgroup_index(workgroup_id, num_workgroups);
  let split = workgroup / BLOCKS;
  let output = (workgroup % BLOCKS) * BLOCK + local_index % BLOCK;
  let lane = local_index / BLOCK;
  // No early return where there is no such output: the barriers need all invocations.
  let exists = split < SPLITS && output < OUTPUTS;
  let first = min(split, SPLITS - 1u) * SPLIT_LENGTH;
  let count = min(SPLIT_LENGTH, LENGTH - first);
  let start_at = min(output, OUTPUTS - 1u) * OUTER + first * INNER;
  var state = start();
  for (var k = lane; k < count; k += LANES) {
    state = combine(state, widen(x[start_at + k * INNER]));
  }
  states[local_index] = state;
  // Orders the writes of one level before the reads of the next.
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    if lane < half {
      states[local_index] = combine(states[local_index], states[local_index + half * BLOCK]);
    }
    workgroupBarrier();
  }
  if lane == 0u && exists { y[split * OUTPUTS + output] = finish(states[local_index]); }
}
