// dbeta[c] = sum_k sums[k, 0, c], dgamma[c] = s sum_k sums[k, 1, c], from the sums over chunks of
// batch_norm_grad_chunks.wgsl, and
// dx[r, c] = gamma[c] s (dy[r, c] - dbeta[c] / ROWS - (x[r, c] - mean[c]) s dgamma[c] / ROWS) with
// s = 1 / sqrt(variance[c] + EPSILON).
// x, dy, dx: [ROWS, C]; gamma, mean, variance, dgamma, dbeta: [C]; sums: [CHUNKS, 2, C], C in groups of
// FLOATS.
// A workgroup takes one chunk of CHUNK_ROWS rows for GROUP_BLOCK groups of channels, adds all chunks of
// these channels by itself (common/group_totals.wgsl), then its invocations take rows in turns.
// Twin: BatchNormGrad in src/ops/norm/batch_norm/gradient.rs.

@group(0) @binding(0) var<storage, read> x: array<FLOATS>;
@group(0) @binding(1) var<storage, read> gamma: array<FLOATS>;
@group(0) @binding(2) var<storage, read> mean: array<FLOATS>;
@group(0) @binding(3) var<storage, read> variance: array<FLOATS>;
@group(0) @binding(4) var<storage, read> dy: array<FLOATS>;
@group(0) @binding(5) var<storage, read> sums: array<FLOATS>;
@group(0) @binding(6) var<storage, read_write> dx: array<FLOATS>;
@group(0) @binding(7) var<storage, read_write> dgamma: array<FLOATS>;
@group(0) @binding(8) var<storage, read_write> dbeta: array<FLOATS>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let workgroup = workgroup_index(workgroup_id, num_workgroups);
  let chunk = workgroup / BLOCKS;
  let group = (workgroup % BLOCKS) * GROUP_BLOCK + local_index % GROUP_BLOCK;
  let lane = local_index / GROUP_BLOCK;
  // No early return where there is no such chunk: the barriers need all invocations.
  let exists = chunk < CHUNKS && group < GROUPS;
  let channel = min(group, GROUPS - 1u);
  var sum = FLOATS(0.0);
  var products = FLOATS(0.0);
  for (var other = lane; other < CHUNKS; other += ROW_LANES) {
    sum += sums[2u * other * GROUPS + channel];
    products += sums[(2u * other + 1u) * GROUPS + channel];
  }
  let totals = group_totals(sum, products, local_index);
  if !exists { return; }
  let inverse_deviation = FLOATS(1.0) / sqrt(variance[channel] + EPSILON);
  let scaled = totals.second * inverse_deviation;
  if chunk == 0u && lane == 0u {
    dbeta[channel] = totals.first;
    dgamma[channel] = scaled;
  }
  let scale = gamma[channel] * inverse_deviation;
  let center = mean[channel];
  let mean_dy = totals.first / f32(ROWS);
  let slope = inverse_deviation * scaled / f32(ROWS);
  let begin = chunk * CHUNK_ROWS;
  let end = min(begin + CHUNK_ROWS, ROWS);
  for (var row = begin + lane; row < end; row += ROW_LANES) {
    let at = row * GROUPS + channel;
    dx[at] = scale * (dy[at] - mean_dy - (x[at] - center) * slope);
  }
}
