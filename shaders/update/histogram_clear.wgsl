// counts = 0 and keys = 0, in the last step of each period.
// step: u32[1]; counts: [COUNTS]; keys: [ALL_KEYS]. One invocation clears one word of both.
// Twin: Histogram in src/ops/histogram/.

@group(0) @binding(0) var<storage, read> step: array<u32>;
@group(0) @binding(1) var<storage, read_write> counts: array<u32>;
@group(0) @binding(2) var<storage, read_write> keys: array<u32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS || (step[0] + 1u) % PERIOD != 0u { return; }
  if i < COUNTS { counts[i] = 0u; }
  if i < ALL_KEYS { keys[i] = 0u; }
}
