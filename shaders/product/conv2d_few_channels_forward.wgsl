// y[n, oy, ox, oc] = f(sum_{ky, kx, c} x[n, iy, ix, c] * w[ky, kx, c, oc] + bias[oc]).
// b = w: [WINDOW, OUT_C / 4] vectors; y: [BATCH, OUT_H, OUT_W, OUT_C / 4] vectors.
// The work is shared out as conv2d_few_channels.wgsl says. Twin: Conv2d.

fn load_w(tap: u32, column4: u32) -> vec4<f32> {
  return b[tap * (OUT_C / 4u) + min(column4, OUT_C / 4u - 1u)];
}

// Stores tail(sum), where the bias has been added.
fn store(segment: Segment, x: u32, column4: u32, sum: vec4<f32>) {
  if segment.x + x < OUT_W && column4 < OUT_C / 4u {
    let pixel = segment.row * OUT_W + segment.x + x;
    let i = pixel * (OUT_C / 4u) + column4;
    y[i] = tail(sum, i);
  }
}
