// partial[s, ky, kx, oc] = sum_{n, oy, ox} x[n, iy, ix, oc / MULTIPLIER] * dy[n, oy, ox, oc], over the
// output pixels of share s: the gradient of a convolution in which each output channel reads one
// input channel.
// a = x: [BATCH, IN_H, IN_W, IN_CHANNELS], b = dy: [BATCH, OUT_H, OUT_W, CHANNELS] and
// y = partial: [shares, KERNEL_H, KERNEL_W, CHANNELS], in elements of type FLOATS. One invocation
// computes one element. Twin: Conv2dWeightGrad.

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  let channel = i % CHANNELS;
  let tap = i / CHANNELS % (KERNEL_H * KERNEL_W);
  // Left of and above the image the differences wrap around, far beyond the image.
  let first_y = tap / KERNEL_W * DILATION_H - PAD_TOP;
  let first_x = tap % KERNEL_W * DILATION_W - PAD_LEFT;
  let split = i / (CHANNELS * KERNEL_H * KERNEL_W);
  let end = min((split + 1u) * PIXELS_PER_SPLIT, BATCH * OUT_H * OUT_W);
  var sum = FLOATS();
  for (var pixel = split * PIXELS_PER_SPLIT; pixel < end; pixel += 1u) {
    let iy = pixel / OUT_W % OUT_H * STRIDE_H + first_y;
    let ix = pixel % OUT_W * STRIDE_W + first_x;
    if iy >= IN_H || ix >= IN_W { continue; }
    let n = pixel / (OUT_W * OUT_H);
    let x_index = ((n * IN_H + iy) * IN_W + ix) * IN_CHANNELS + channel / MULTIPLIER;
    sum += a[x_index] * b[pixel * CHANNELS + channel];
  }
  y[i] = sum;
}
