// y[n, oy, ox, c] = mean of x[n, iy, ix, c] over the window of (oy, ox).
// x: [N, H, W, C]; y: [N, OH, OW, C], C in groups of FLOATS; windows: common/adaptive_windows.wgsl.
// One invocation computes the channels of one group at one position of y.
// Twin: AdaptiveAvgPool2d in src/ops/pool/adaptive_average.rs.

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
  let n = i / (GROUPS * OW * OH);
  let rows = window_of(i / (GROUPS * OW) % OH, H, OH);
  let columns = window_of(i / GROUPS % OW, W, OW);

  var sum = FLOATS(0.0);
  for (var iy = rows.x; iy < rows.y; iy += 1u) {
    for (var ix = columns.x; ix < columns.y; ix += 1u) {
      sum += x[((n * H + iy) * W + ix) * GROUPS + group];
    }
  }
  y[i] = sum / FLOATS(f32((rows.y - rows.x) * (columns.y - columns.x)));
}
