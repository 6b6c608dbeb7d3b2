// y[n, oy, ox, c] = sum of wy wx x[n, iy, ix, c] over up to two rows and two columns.
// x: [N, H, W, C]; y: [N, H FH, W FW, C], C in groups of FLOATS; rows, columns and weights:
// common/bilinear_weights.wgsl. One invocation computes the channels of one group at one position
// of y. Twin: ResizeBilinear in src/ops/resize/bilinear.rs.

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
  let oy = i / (GROUPS * OW) % OH;
  let ox = i / GROUPS % OW;
  let rows = inputs_of(oy, H, FH);
  let columns = inputs_of(ox, W, FW);

  var sum = FLOATS(0.0);
  for (var iy = rows.x; iy < rows.y; iy += 1u) {
    let height = weight_of(oy, iy, H, FH) * SCALE;
    for (var ix = columns.x; ix < columns.y; ix += 1u) {
      let weight = height * weight_of(ox, ix, W, FW);
      sum += FLOATS(weight) * x[((n * H + iy) * W + ix) * GROUPS + group];
    }
  }
  y[i] = sum;
}
