// y[r, c] = f((x[r, c] - mean[c]) * gamma[c] / sqrt(variance[c] + EPSILON) + beta[c]
//             + residual[r, c]).
// x, y, residual: [ROWS, C]; gamma, beta, mean, variance: [C], C in groups of FLOATS.
// One invocation computes BLOCK_ROWS rows of one group of channels.
// Twins: BatchNorm and BatchNormInference in src/ops/batch_norm.

@group(0) @binding(0) var<storage, read> x: array<FLOATS>;
@group(0) @binding(1) var<storage, read> gamma: array<FLOATS>;
@group(0) @binding(2) var<storage, read> beta: array<FLOATS>;
@group(0) @binding(3) var<storage, read> mean: array<FLOATS>;
@group(0) @binding(4) var<storage, read> variance: array<FLOATS>;
@group(0) @binding(5) var<storage, read_write> y: array<FLOATS>;

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
  let centre = mean[group];
  let shift = beta[group];
  for (var row = begin; row < end; row += 1u) {
    let at = row * GROUPS + group;
    y[at] = activate_each((x[at] - centre) * scale + shift + residual_at(at));
  }
}
