// y[n, oy, ox, c] = max over ky, kx of x[n, oy s - top + ky, ox s - left + kx, c], and
// index[...] = ky KW + kx of the first maximum. Padding never wins; the first NaN wins.
// x: [N, H, W, C]; y, index: [N, OH, OW, C], C in groups of FLOATS.
// One invocation computes the channels of one group at one position, by common/window_maximum.wgsl.
// Twin: MaxPool2d in src/ops/pool/max.rs.

@group(0) @binding(0) var<storage, read> x: array<FLOATS>;
@group(0) @binding(1) var<storage, read_write> y: array<FLOATS>;
@group(0) @binding(2) var<storage, read_write> index: array<WORDS>;

fn pooled(at: u32, orientation: FLOATS) -> FLOATS {
  return x[at];
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  let found = window_maximum(i, FLOATS());
  y[i] = found.value;
  index[i] = found.position;
}
