// Mean and centred sum of squares of one chunk of rows, of d[r, c] = x[r, c] - x[0, c]:
// chunk_mean[k, c] = mean of d over the chunk, chunk_squares[k, c] = sum of (d - chunk_mean)^2.
// x: [ROWS, C]; chunk_mean, chunk_squares: [chunks, C], C in groups of FLOATS; chunks have
// CHUNK_ROWS rows, the last one may have fewer.
// One invocation takes one chunk for one group of channels, row by row. Subtracting the first row
// keeps the rounding relative to the spread of a channel, not to its mean.
// Source: Welford, "Note on a Method for Calculating Corrected Sums of Squares and Products", 1962.
// Twin: BatchNorm in src/ops/batch_norm/forward.rs.

@group(0) @binding(0) var<storage, read> x: array<FLOATS>;
@group(0) @binding(1) var<storage, read_write> chunk_mean: array<FLOATS>;
@group(0) @binding(2) var<storage, read_write> chunk_squares: array<FLOATS>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  let group = i % GROUPS;
  let begin = i / GROUPS * CHUNK_ROWS;
  let end = min(begin + CHUNK_ROWS, ROWS);
  let pivot = x[group];
  var mean = FLOATS(0.0);
  var squares = FLOATS(0.0);
  for (var row = begin; row < end; row += 1u) {
    let delta = x[row * GROUPS + group] - pivot - mean;
    let weight = 1.0 / f32(row - begin + 1u);
    mean += delta * weight;
    squares += delta * delta * (1.0 - weight);
  }
  chunk_mean[i] = mean;
  chunk_squares[i] = squares;
}
