// dx[n, iy, ix, c] = sum of wy wx dy[n, oy, ox, c] over the outputs that (iy, ix) is part of.
// dy: [N, H FH, W FW, C]; dx: [N, H, W, C], C in groups of FLOATS; outputs and weights:
// common/bilinear_weights.wgsl. One invocation computes the channels of one group at one position
// of dx: it visits the outputs in order, so that no two invocations write one element.
// Twin: ResizeBilinearGrad in src/ops/resize/bilinear.rs.

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
  let iy = i / (GROUPS * W) % H;
  let ix = i / GROUPS % W;
  let rows = outputs_of(iy, H, FH);
  let columns = outputs_of(ix, W, FW);

  var sum = FLOATS(0.0);
  for (var oy = rows.x; oy < rows.y; oy += 1u) {
    let height = weight_of(oy, iy, H, FH) * SCALE;
    for (var ox = columns.x; ox < columns.y; ox += 1u) {
      let weight = height * weight_of(ox, ix, W, FW);
      sum += FLOATS(weight) * dy[((n * OH + oy) * OW + ox) * GROUPS + group];
    }
  }
  dx[i] = sum;
}
