// dx[n, iy, ix, c] = sum of dy[n, oy, ox, c] / size[oy, ox] over the windows that hold (iy, ix).
// dy: [N, OH, OW, C]; dx: [N, H, W, C], C in groups of FLOATS; windows:
// common/adaptive_windows.wgsl. One invocation computes the channels of one group at one position
// of dx: it visits the windows that hold the position, in order, so that no two invocations write
// one element. Twin: AdaptiveAvgPool2dGrad in src/ops/pool/adaptive_average.rs.

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
  let n = i / (GROUPS * W * H);
  let rows = windows_over(i / (GROUPS * W) % H, H, OH);
  let columns = windows_over(i / GROUPS % W, W, OW);

  var sum = FLOATS(0.0);
  for (var oy = rows.x; oy < rows.y; oy += 1u) {
    let height = window_of(oy, H, OH);
    for (var ox = columns.x; ox < columns.y; ox += 1u) {
      let width = window_of(ox, W, OW);
      let size = (height.y - height.x) * (width.y - width.x);
      sum += dy[((n * OH + oy) * OW + ox) * GROUPS + group] / FLOATS(f32(size));
    }
  }
  dx[i] = sum;
}
