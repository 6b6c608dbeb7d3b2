// dx[n, iy, ix, c] = sum of dy[n, oy, ox, c] over the windows whose maximum is at (iy, ix): those
// with index[n, oy, ox, c] = ky KW + kx, iy = oy s - top + ky and ix = ox s - left + kx.
// index, dy: [N, OH, OW, C]; dx: [N, H, W, C], C in groups of FLOATS.
// One invocation computes the channels of one group at one position of dx: it visits the windows
// that hold the position, in order, so that no two invocations write one element.
// Twin: MaxPool2dGrad in src/ops/pool/max.rs.

@group(0) @binding(0) var<storage, read> index: array<WORDS>;
@group(0) @binding(1) var<storage, read> dy: array<FLOATS>;
@group(0) @binding(2) var<storage, read_write> dx: array<FLOATS>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  let group = i % GROUPS;
  let ix = i / GROUPS % W;
  let iy = i / (GROUPS * W) % H;
  let n = i / (GROUPS * W * H);
  let rows = windows_over_row(iy);
  let columns = windows_over_column(ix);

  var sum = FLOATS(0.0);
  for (var oy = rows.x; oy < rows.y; oy += 1u) {
    let ky = iy + TOP - oy * STRIDE_H;
    for (var ox = columns.x; ox < columns.y; ox += 1u) {
      let kx = ix + LEFT - ox * STRIDE_W;
      let o = ((n * OH + oy) * OW + ox) * GROUPS + group;
      sum += select(FLOATS(0.0), dy[o], index[o] == WORDS(ky * KW + kx));
    }
  }
  dx[i] = sum;
}
