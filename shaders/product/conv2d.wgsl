// y[n, oy, ox, oc] = f(sum_{ky, kx, c} x[n, iy, ix, c] * w[ky, kx, c, oc] + bias[oc])
// with iy = oy * STRIDE_H + ky * DILATION_H - PAD_TOP, ix likewise; c runs over the group of oc.
// a = x: [BATCH, IN_H, IN_W, IN_C]; b = w: [KERNEL_H, KERNEL_W, GROUP_IN_C, OUT_C];
// y: [BATCH, OUT_H, OUT_W, OUT_C]. One invocation computes one element: any geometry.
// The bindings stand in common/binary_bindings.wgsl or common/binary_bias_bindings.wgsl.
// Twin: Conv2d in src/ops/conv2d/forward.rs.

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  let oc = i % OUT_C;
  let pixel = i / OUT_C;
  let ox = pixel % OUT_W;
  let oy = pixel / OUT_W % OUT_H;
  let n = pixel / (OUT_W * OUT_H);
  let first_c = oc / GROUP_OUT_C * GROUP_IN_C;
  var sum = 0.0;
  for (var ky = 0u; ky < KERNEL_H; ky += 1u) {
    // Left of and above the image the difference wraps around, far beyond IN_H.
    let iy = oy * STRIDE_H + ky * DILATION_H - PAD_TOP;
    if iy >= IN_H { continue; }
    for (var kx = 0u; kx < KERNEL_W; kx += 1u) {
      let ix = ox * STRIDE_W + kx * DILATION_W - PAD_LEFT;
      if ix >= IN_W { continue; }
      let x_index = ((n * IN_H + iy) * IN_W + ix) * IN_C + first_c;
      let w_index = (ky * KERNEL_W + kx) * GROUP_IN_C * OUT_C + oc;
      for (var c = 0u; c < GROUP_IN_C; c += 1u) {
        sum = fma(a[x_index + c], b[w_index + c * OUT_C], sum);
      }
    }
  }
  y[i] = tail(sum + bias_at(oc), i);
}
