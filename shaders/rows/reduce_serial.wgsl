// y[s, o] = f over the k of split s of x[o * OUTER + k * INNER], where a split is SPLIT_LENGTH
// values of k < LENGTH, and f one of common/reduce_sum.wgsl and common/reduce_max.wgsl.
// x: FLOATS of any shape; y: [SPLITS, OUTPUTS]. One invocation computes one element, in order.
// Twins: SumRows, SumColumns and Reduce in src/ops/reduce.rs.

@group(0) @binding(0) var<storage, read> x: array<FLOATS>;
@group(0) @binding(1) var<storage, read_write> y: array<FLOATS>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  let first = (i / OUTPUTS) * SPLIT_LENGTH;
  let count = min(SPLIT_LENGTH, LENGTH - first);
  var at = (i % OUTPUTS) * OUTER + first * INNER;
  var state = start();
  for (var k = 0u; k < count; k += 1u) {
    state = combine(state, widen(x[at]));
    at += INNER;
  }
  y[i] = finish(state);
}
