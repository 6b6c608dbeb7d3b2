// dx[n, iy, ix, c] = sum_{ky, kx, j} dy[n, oy, ox, c * MULTIPLIER + j] * w[ky, kx, c * MULTIPLIER + j],
// over all oy, ox with iy = oy * STRIDE_H + ky * DILATION_H - PAD_TOP, ix likewise, and j below
// MULTIPLIER: the gradient of a convolution in which each output channel reads one input channel.
// a = dy: [BATCH, OUT_H, OUT_W, IN_CHANNELS * MULTIPLIER],
// b = w: [KERNEL_H, KERNEL_W, IN_CHANNELS * MULTIPLIER] and y = tail(dx):
// [BATCH, IN_H, IN_W, IN_CHANNELS], in elements of type FLOATS. One invocation computes one element.
// The bindings stand in common/binary_bindings.wgsl. Twin: Conv2dInputGrad.

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  let first = i % IN_CHANNELS * MULTIPLIER;
  let pixel = i / IN_CHANNELS;
  let left = pixel % IN_W + PAD_LEFT;
  let top = pixel / IN_W % IN_H + PAD_TOP;
  let n = pixel / (IN_W * IN_H);
  var sum = FLOATS();
  for (var ky = 0u; ky < KERNEL_H; ky += 1u) {
    // Where the tap would reach beyond the first window the difference wraps around.
    let offset_y = top - ky * DILATION_H;
    let oy = offset_y / STRIDE_H;
    if oy * STRIDE_H != offset_y || oy >= OUT_H { continue; }
    for (var kx = 0u; kx < KERNEL_W; kx += 1u) {
      let offset_x = left - kx * DILATION_W;
      let ox = offset_x / STRIDE_W;
      if ox * STRIDE_W != offset_x || ox >= OUT_W { continue; }
      let dy_index = ((n * OUT_H + oy) * OUT_W + ox) * IN_CHANNELS * MULTIPLIER + first;
      let w_index = (ky * KERNEL_W + kx) * IN_CHANNELS * MULTIPLIER + first;
      for (var j = 0u; j < MULTIPLIER; j += 1u) {
        sum += a[dy_index + j] * b[w_index + j];
      }
    }
  }
  y[i] = tail(sum, i);
}
