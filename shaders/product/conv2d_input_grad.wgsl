// dx[n, iy, ix, c] = sum_{ky, kx, oc} dy[n, oy, ox, oc] * w[ky, kx, c, oc], over all oy, ox with
// iy = oy * STRIDE_H + ky * DILATION_H - PAD_TOP, ix likewise; oc runs over the group of c.
// a = dy: [BATCH, OUT_H, OUT_W, OUT_C]; b = w: [KERNEL_H, KERNEL_W, GROUP_IN_C, OUT_C];
// y = tail(dx): [BATCH, IN_H, IN_W, IN_C]. One invocation computes one element: any geometry.
// The bindings stand in common/binary_bindings.wgsl.
// Twin: Conv2dInputGrad in src/ops/conv2d/input_grad.rs.

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  let c = i % IN_C;
  let pixel = i / IN_C;
  let ix = pixel % IN_W;
  let iy = pixel / IN_W % IN_H;
  let n = pixel / (IN_W * IN_H);
  let first_oc = c / GROUP_IN_C * GROUP_OUT_C;
  var sum = 0.0;
  for (var ky = 0u; ky < KERNEL_H; ky += 1u) {
    // Where the tap would reach beyond the first window the difference wraps around.
    let offset_y = iy + PAD_TOP - ky * DILATION_H;
    let oy = offset_y / STRIDE_H;
    if offset_y % STRIDE_H != 0u || oy >= OUT_H { continue; }
    for (var kx = 0u; kx < KERNEL_W; kx += 1u) {
      let offset_x = ix + PAD_LEFT - kx * DILATION_W;
      let ox = offset_x / STRIDE_W;
      if offset_x % STRIDE_W != 0u || ox >= OUT_W { continue; }
      let dy_index = ((n * OUT_H + oy) * OUT_W + ox) * OUT_C + first_oc;
      let w_index = ((ky * KERNEL_W + kx) * GROUP_IN_C + c % GROUP_IN_C) * OUT_C + first_oc;
      for (var oc = 0u; oc < GROUP_OUT_C; oc += 1u) {
        sum = fma(a[dy_index + oc], b[w_index + oc], sum);
      }
    }
  }
  y[i] = tail(sum, i);
}
