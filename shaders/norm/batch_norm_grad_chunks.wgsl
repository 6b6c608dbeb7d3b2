// sums[k, 0, c] = sum of dy[r, c], sums[k, 1, c] = sum of dy[r, c] (x[r, c] - mean[c]), over the rows r
// of chunk k.
// x, dy: [ROWS, C]; mean: [C]; sums: [CHUNKS, 2, C], C in groups of FLOATS; chunks have CHUNK_ROWS rows,
// the last one may have fewer.
// A workgroup takes one chunk for GROUP_BLOCK groups of channels; its invocations take rows in turns
// (common/group_totals.wgsl).
// Twin: BatchNormGrad in src/ops/norm/batch_norm/gradient.rs.

@group(0) @binding(0) var<storage, read> x: array<FLOATS>;
@group(0) @binding(1) var<storage, read> mean: array<FLOATS>;
@group(0) @binding(2) var<storage, read> dy: array<FLOATS>;
@group(0) @binding(3) var<storage, read_write> sums: array<FLOATS>;

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
  let begin = min(chunk * CHUNK_ROWS, ROWS);
  let end = select(begin, min(begin + CHUNK_ROWS, ROWS), exists);
  let center = mean[min(group, GROUPS - 1u)];
  var sum = FLOATS(0.0);
  var products = FLOATS(0.0);
  for (var row = begin + lane; row < end; row += ROW_LANES) {
    let at = row * GROUPS + group;
    let gradient = dy[at];
    sum += gradient;
    products += gradient * (x[at] - center);
  }
  let totals = group_totals(sum, products, local_index);
  if lane == 0u && exists {
    sums[2u * chunk * GROUPS + group] = totals.first;
    sums[(2u * chunk + 1u) * GROUPS + group] = totals.second;
  }
}
