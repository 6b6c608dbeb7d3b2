// y[n, oy, ox, c] = f((x* - mean[c]) * gamma[c] / sqrt(variance[c] + EPSILON) + beta[c]), where x* is
// the first maximum of x[n, ., ., c] * sign(gamma[c]) in the window of (oy, ox), and index its place
// in the window: see common/window_maximum.wgsl.
// x: [N, H, W, C]; gamma, beta, mean, variance: [C]; y, index: [N, OH, OW, C], C in groups of FLOATS.
// One invocation computes the channels of one group at BLOCK_ROWS positions, of which there are ROWS.
// Twin: BatchNormMaxPool2d in src/ops/norm/batch_norm/max_pool.rs.

@group(0) @binding(0) var<storage, read> x: array<FLOATS>;
@group(0) @binding(1) var<storage, read> gamma: array<FLOATS>;
@group(0) @binding(2) var<storage, read> beta: array<FLOATS>;
@group(0) @binding(3) var<storage, read> mean: array<FLOATS>;
@group(0) @binding(4) var<storage, read> variance: array<FLOATS>;
@group(0) @binding(5) var<storage, read_write> y: array<FLOATS>;
@group(0) @binding(6) var<storage, read_write> index: array<WORDS>;

fn pooled(at: u32, orientation: FLOATS) -> FLOATS {
  return x[at] * orientation;
}

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
  let factor = gamma[group];
  let orientation = sign_each(factor);
  let scale = factor / sqrt(variance[group] + EPSILON);
  let center = mean[group];
  let shift = beta[group];
  for (var row = begin; row < end; row += 1u) {
    let at = row * GROUPS + group;
    let found = window_maximum(at, orientation);
    // Twice oriented, a value is itself again; where gamma is zero, it does not matter.
    y[at] = activate_each((found.value * orientation - center) * scale + shift);
    index[at] = found.position;
  }
}
