// chunk_dy[k, c] = sum of dy[r, c], chunk_products[k, c] = sum of dy[r, c] (x[r, c] - mean[c]), over
// the rows r of chunk k.
// x, dy: [ROWS, C]; mean: [C]; chunk_dy, chunk_products: [chunks, C], C in groups of FLOATS; chunks
// have CHUNK_ROWS rows, the last one may have fewer.
// One invocation takes one chunk for one group of channels, row by row.
// Twins: BatchNormGrad and BatchNormInferenceGrad in src/ops/batch_norm.

@group(0) @binding(0) var<storage, read> x: array<FLOATS>;
@group(0) @binding(1) var<storage, read> mean: array<FLOATS>;
@group(0) @binding(2) var<storage, read> dy: array<FLOATS>;
@group(0) @binding(3) var<storage, read_write> chunk_dy: array<FLOATS>;
@group(0) @binding(4) var<storage, read_write> chunk_products: array<FLOATS>;

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
  let centre = mean[group];
  var sum = FLOATS(0.0);
  var products = FLOATS(0.0);
  for (var row = begin; row < end; row += 1u) {
    let at = row * GROUPS + group;
    let gradient = dy[at];
    sum += gradient;
    products += gradient * (x[at] - centre);
  }
  chunk_dy[i] = sum;
  chunk_products[i] = products;
}
