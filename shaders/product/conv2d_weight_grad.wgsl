// partial[s, ky, kx, c, oc] = sum_{n, oy, ox} x[n, iy, ix, c] * dy[n, oy, ox, oc], over the pixels
// (n, oy, ox) of share s, with iy = oy * STRIDE_H + ky * DILATION_H - PAD_TOP, ix likewise.
// x: [BATCH, IN_H, IN_W, IN_C]; dy: [BATCH, OUT_H, OUT_W, OUT_C];
// partial: [splits, KERNEL_H, KERNEL_W, GROUP_IN_C, OUT_C].
// One invocation computes one element: any geometry. sum_splits.wgsl adds the shares.
// Twin: Conv2dWeightGrad in src/ops/conv2d/weight_grad.rs.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> partial: array<f32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  let oc = i % OUT_C;
  let c = i / OUT_C % GROUP_IN_C + oc / GROUP_OUT_C * GROUP_IN_C;
  let tap = i / (OUT_C * GROUP_IN_C) % (KERNEL_H * KERNEL_W);
  let ky = tap / KERNEL_W;
  let kx = tap % KERNEL_W;
  let split = i / (OUT_C * GROUP_IN_C * KERNEL_H * KERNEL_W);
  let end = min((split + 1u) * PIXELS_PER_SPLIT, BATCH * OUT_H * OUT_W);
  var sum = 0.0;
  for (var pixel = split * PIXELS_PER_SPLIT; pixel < end; pixel += 1u) {
    // Left of and above the image the differences wrap around, far beyond the image.
    let iy = pixel / OUT_W % OUT_H * STRIDE_H + ky * DILATION_H - PAD_TOP;
    let ix = pixel % OUT_W * STRIDE_W + kx * DILATION_W - PAD_LEFT;
    if iy >= IN_H || ix >= IN_W { continue; }
    let n = pixel / (OUT_W * OUT_H);
    sum = fma(x[((n * IN_H + iy) * IN_W + ix) * IN_C + c], dy[pixel * OUT_C + oc], sum);
  }
  partial[i] = sum;
}
