// y[n, chunk, c] = sum over the rows r of the chunk of x[n, r, c] / DIVISOR: one stage of an average
// over ROWS rows, which are the positions of an image, or the chunks of the stage before.
// x: [N, ROWS, C]; y: [N, CHUNKS, C], C in groups of FLOATS; chunks have CHUNK_ROWS rows, the last
// one may have fewer. One invocation sums the channels of one group over one chunk, in order.
// Twin: GlobalAvgPool2d in src/ops/pool/global_average.rs.

@group(0) @binding(0) var<storage, read> x: array<FLOATS>;
@group(0) @binding(1) var<storage, read_write> y: array<FLOATS>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  let group = i % GROUPS;
  let chunk = i / GROUPS % CHUNKS;
  let n = i / (GROUPS * CHUNKS);
  let begin = chunk * CHUNK_ROWS;
  let end = min(begin + CHUNK_ROWS, ROWS);
  var sum = FLOATS(0.0);
  for (var row = begin; row < end; row += 1u) {
    sum += x[(n * ROWS + row) * GROUPS + group];
  }
  y[i] = sum / FLOATS(f32(DIVISOR));
}
