// dx[r, c] = gamma[c] s (dy[r, c] - dbeta[c] / ROWS - (x[r, c] - mean[c]) s dgamma[c] / ROWS) with
// s = 1 / sqrt(variance[c] + EPSILON).
// x, dy, dx: [ROWS, C]; gamma, mean, variance, dgamma, dbeta: [C], C in groups of FLOATS.
// One invocation computes BLOCK_ROWS rows of one group of channels.
// Twin: BatchNormGrad in src/ops/batch_norm/gradient.rs.

@group(0) @binding(0) var<storage, read> x: array<FLOATS>;
@group(0) @binding(1) var<storage, read> gamma: array<FLOATS>;
@group(0) @binding(2) var<storage, read> mean: array<FLOATS>;
@group(0) @binding(3) var<storage, read> variance: array<FLOATS>;
@group(0) @binding(4) var<storage, read> dy: array<FLOATS>;
@group(0) @binding(5) var<storage, read> dgamma: array<FLOATS>;
@group(0) @binding(6) var<storage, read> dbeta: array<FLOATS>;
@group(0) @binding(7) var<storage, read_write> dx: array<FLOATS>;

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
  let inverse_deviation = FLOATS(1.0) / sqrt(variance[group] + EPSILON);
  let scale = gamma[group] * inverse_deviation;
  let centre = mean[group];
  let mean_dy = dbeta[group] / f32(ROWS);
  let slope = inverse_deviation * dgamma[group] / f32(ROWS);
  for (var row = begin; row < end; row += 1u) {
    let at = row * GROUPS + group;
    dx[at] = scale * (dy[at] - mean_dy - (x[at] - centre) * slope);
  }
}
