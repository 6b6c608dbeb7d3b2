// y[n, oy, ox, c] = sum over the window of x[n, oy s - top + ky, ox s - left + kx, c] / count.
// x: [N, H, W, C]; y: [N, OH, OW, C], C in groups of FLOATS. The count is KH KW where
// COUNT_INCLUDE_PAD is 1, else the number of elements of the window inside the input.
// One invocation computes the channels of one group at one position.
// Twin: AvgPool2d in src/ops/pool/average.rs.

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
  let ox = i / GROUPS % OW;
  let oy = i / (GROUPS * OW) % OH;
  let n = i / (GROUPS * OW * OH);
  let rows = rows_inside(oy);
  let columns = columns_inside(ox);

  var sum = FLOATS(0.0);
  for (var ky = rows.x; ky < rows.y; ky += 1u) {
    let row = (n * H + (oy * STRIDE_H + ky - TOP)) * W;
    for (var kx = columns.x; kx < columns.y; kx += 1u) {
      sum += x[(row + (ox * STRIDE_W + kx - LEFT)) * GROUPS + group];
    }
  }
  y[i] = sum / FLOATS(f32(averaged(rows, columns)));
}
