// dx[r, c] = dy[r, c] * gamma[c] / sqrt(variance[c] + EPSILON).
// dy, dx: [ROWS, C]; gamma, variance: [C], C in groups of FLOATS.
// One invocation computes BLOCK_ROWS rows of one group of channels.
// Twin: BatchNormInferenceGrad in src/ops/batch_norm/inference_gradient.rs.

@group(0) @binding(0) var<storage, read> gamma: array<FLOATS>;
@group(0) @binding(1) var<storage, read> variance: array<FLOATS>;
@group(0) @binding(2) var<storage, read> dy: array<FLOATS>;
@group(0) @binding(3) var<storage, read_write> dx: array<FLOATS>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  let group = i % GROUPS;
  let begin = i / GROUPS * BLOCK_ROWS;
  let end = min(begin + BLOCK_ROWS, ROWS);
  let scale = gamma[group] / sqrt(variance[group] + EPSILON);
  for (var row = begin; row < end; row += 1u) {
    let at = row * GROUPS + group;
    dx[at] = dy[at] * scale;
  }
}
