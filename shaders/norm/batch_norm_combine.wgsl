// mean[c] and variance[c] of x[:, c] from the statistics of its chunks, of which those of
// batch_norm_statistics.wgsl are of x - pivot, and those of products (gemm/chunks.wgsl) of x itself:
// m = chunk_mean[0, c] + sum_k n_k (chunk_mean[k, c] - chunk_mean[0, c]) / ROWS, mean = pivot[c] + m,
// and variance = sum_k (chunk_squares[k, c] + n_k (chunk_mean[k, c] - m)^2) / ROWS.
// chunk_mean, chunk_squares: [CHUNKS, C]; mean, variance: [C], C in groups of FLOATS. pivot_of comes
// from common/first_row_pivot.wgsl or common/no_pivot.wgsl.
// One workgroup computes one group of channels; its invocations take chunks in turns.
// Source: Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample
// Variances", 1979. Twins: BatchNorm and ProductStatistics in src/ops/batch_norm.

@group(0) @binding(0) var<storage, read> chunk_mean: array<FLOATS>;
@group(0) @binding(1) var<storage, read> chunk_squares: array<FLOATS>;
@group(0) @binding(2) var<storage, read_write> mean: array<FLOATS>;
@group(0) @binding(3) var<storage, read_write> variance: array<FLOATS>;

// Number of rows of a chunk.
fn rows_of(chunk: u32) -> f32 {
  return f32(min(CHUNK_ROWS, ROWS - chunk * CHUNK_ROWS));
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let group = flat_index(workgroup_id, num_workgroups, 0u) / WORKGROUP_SIZE;
  if group >= GROUPS { return; }
  // Distances from the first mean: an offset of all of them takes no digits of the sum.
  let first = chunk_mean[group];
  var sum = FLOATS(0.0);
  for (var chunk = local_index; chunk < CHUNKS; chunk += WORKGROUP_SIZE) {
    sum += (chunk_mean[chunk * GROUPS + group] - first) * rows_of(chunk);
  }
  let centre = first + workgroup_total(sum, local_index) / f32(ROWS);

  var squares = FLOATS(0.0);
  for (var chunk = local_index; chunk < CHUNKS; chunk += WORKGROUP_SIZE) {
    let distance = chunk_mean[chunk * GROUPS + group] - centre;
    squares += chunk_squares[chunk * GROUPS + group] + distance * distance * rows_of(chunk);
  }
  let total = workgroup_total(squares, local_index);
  if local_index == 0u {
    mean[group] = pivot_of(group) + centre;
    variance[group] = total / f32(ROWS);
  }
}
