// y[i] = tail(sum_s x[s, i] + bias[i % COLUMNS]), in the order of s.
// x: [SPLITS, INVOCATIONS]; y: [INVOCATIONS], in elements of type FLOATS, of which a row has COLUMNS.
// One invocation computes one element.
// The bindings stand in common/unary_bindings.wgsl or common/unary_bias_bindings.wgsl.
// Second stage of sums that are split so that they run in parallel; their twins are the ops'.

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  var sum = FLOATS();
  for (var split = 0u; split < SPLITS; split += 1u) {
    sum += x[split * INVOCATIONS + i];
  }
  y[i] = finish(sum, i % COLUMNS, i);
}
