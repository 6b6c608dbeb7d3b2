// y[i] = sum_s partial[s, i], in the order of s.
// partial: [SPLITS, INVOCATIONS]; y: [INVOCATIONS]. One invocation computes one element.
// Second stage of sums that are split so that they run in parallel; their twins are the ops'.

@group(0) @binding(0) var<storage, read> partial: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  var sum = 0.0;
  for (var split = 0u; split < SPLITS; split += 1u) {
    sum += partial[split * INVOCATIONS + i];
  }
  y[i] = sum;
}
