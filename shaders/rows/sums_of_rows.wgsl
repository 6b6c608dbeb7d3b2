// Sums over rows of several tensors, some parts of which each workgroup knows by sum_of and store.
// A workgroup adds up to BLOCK neighboring columns: lane l of LANES takes rows l, l + LANES, ..., and
// the lanes are combined as a tree, in a fixed order.
// Twin: SumsOfRows in src/ops/rows/sums_of_rows.rs.

const WORKGROUP_SIZE: u32 = BLOCK * LANES;

var<workgroup> lane_sums: array<f32, WORKGROUP_SIZE>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let workgroup = workgroup_index(workgroup_id, num_workgroups);
  let lane = local_index / BLOCK;
  // No early return where there is no such part: the barriers need all invocations.
  lane_sums[local_index] = sum_of(workgroup, local_index % BLOCK, lane);
  // Orders the writes of one level before the reads of the next.
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    if lane < half { lane_sums[local_index] += lane_sums[local_index + half * BLOCK]; }
    workgroupBarrier();
  }
  if lane == 0u { store(workgroup, local_index, lane_sums[local_index]); }
}
