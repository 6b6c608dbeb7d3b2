// y[tap, phase, r] = w[ky, kx, r] with ky = (TAPS_Y - 1 - tap_y) STRIDE_H + phase_y, kx likewise; zero
// where the kernel has no such tap.
// w: [KERNEL_H, KERNEL_W, RUN]; y: [TAPS_Y, TAPS_X, STRIDE_H, STRIDE_W, RUN], in elements of type FLOATS.
// One invocation copies one element. Prepares the product of src/ops/conv2d/phases.rs.

@group(0) @binding(0) var<storage, read> w: array<FLOATS>;
@group(0) @binding(1) var<storage, read_write> y: array<FLOATS>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  let phase = i / RUN % (STRIDE_H * STRIDE_W);
  let tap = i / (RUN * STRIDE_H * STRIDE_W);
  let ky = (TAPS_Y - 1u - tap / TAPS_X) * STRIDE_H + phase / STRIDE_W;
  let kx = (TAPS_X - 1u - tap % TAPS_X) * STRIDE_W + phase % STRIDE_W;
  var value = FLOATS();
  if ky < KERNEL_H && kx < KERNEL_W {
    value = w[(ky * KERNEL_W + kx) * RUN + i % RUN];
  }
  y[i] = value;
}
