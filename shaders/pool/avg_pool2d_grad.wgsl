// dx[n, iy, ix, c] = sum of dy[n, oy, ox, c] / count[oy, ox] over the windows that hold (iy, ix).
// dy: [N, OH, OW, C]; dx: [N, H, W, C], C in groups of FLOATS; count as in avg_pool2d.wgsl.
// One invocation computes the channels of one group at one position of dx: it visits the windows
// that hold the position, in order, so that no two invocations write one element.
// Twin: AvgPool2dGrad in src/ops/pool/average.rs.

@group(0) @binding(0) var<storage, read> dy: array<FLOATS>;
@group(0) @binding(1) var<storage, read_write> dx: array<FLOATS>;

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
    for (var ox = columns.x; ox < columns.y; ox += 1u) {
      let count = averaged(rows_inside(oy), columns_inside(ox));
      sum += dy[((n * OH + oy) * OW + ox) * GROUPS + group] / FLOATS(f32(count));
    }
  }
  dx[i] = sum;
}
