// y[i] = chain(i), where `chain` is written for the members of the chain and their operands, whose
// values in between stay in registers.
// y: [INVOCATIONS] of FLOATS, and so are operands that are not repeated. One invocation computes
// one of them.
// Twin: ElementwiseChain in src/ops/elementwise_chain/.

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  y[i] = chain(i);
}
