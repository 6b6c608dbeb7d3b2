// partial[s, ky, kx, c, oc] = sum_{n, oy, ox} x[n, iy, ix, c] * dy[n, oy, ox, oc] over the segments
// of share s.
// b = dy: [BATCH, OUT_H, OUT_W, OUT_C / 4] vectors; y: [shares, WINDOW, OUT_C / 4] vectors.
// The work is shared out as conv2d_few_channels.wgsl says. Twin: Conv2dWeightGrad.

fn load_dy(segment: Segment, x: u32, column4: u32) -> vec4<f32> {
  let exists = segment.x + x < OUT_W;
  let pixel = segment.row * OUT_W + segment.x + x;
  let index = pixel * (OUT_C / 4u) + min(column4, OUT_C / 4u - 1u);
  return select(vec4<f32>(), b[select(0u, index, exists)], exists);
}

// The input value of an output pixel behind the end of its row counts as zero.
fn within(segment: Segment, x: u32, value: f32) -> f32 {
  return select(0.0, value, segment.x + x < OUT_W);
}

fn store(share: u32, tap: u32, column4: u32, sum: vec4<f32>) {
  if column4 < OUT_C / 4u {
    y[(share * WINDOW + tap) * (OUT_C / 4u) + column4] = sum;
  }
}
