// y[2 ty + i, 2 tx + j, n] = f((A^T m[t] A)[i, j] + bias[n]) for each channel n: the two by two output
// pixels of each tile t = (ty, tx) of F(2 x 2, 3 x 3), of which those outside the image are left out.
// x = m: [IMAGES * TILES_Y * TILES_X, 16, CHANNELS]; y: [IMAGES, OUT_H, OUT_W, CHANNELS], in elements
// of type FLOATS. One invocation computes one element of each pixel of one tile.
// The bindings stand in common/unary_bindings.wgsl or common/unary_bias_bindings.wgsl.
// Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016, eq. 9.
// Twins: Conv2d and Conv2dInputGrad.

struct Pair {
  a: FLOATS,
  b: FLOATS,
}

// A^T times four numbers.
fn transform(a: FLOATS, b: FLOATS, c: FLOATS, d: FLOATS) -> Pair {
  return Pair(a + b + c, b - c - d);
}

fn row(at: u32) -> Pair {
  return transform(x[at], x[at + CHANNELS], x[at + 2u * CHANNELS], x[at + 3u * CHANNELS]);
}

fn store(image: u32, oy: u32, ox: u32, channel: u32, sum: FLOATS) {
  if oy < OUT_H && ox < OUT_W {
    y[((image * OUT_H + oy) * OUT_W + ox) * CHANNELS + channel] = finish(sum, channel);
  }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  let channel = i % CHANNELS;
  let tile = i / CHANNELS;
  let at = tile * 16u * CHANNELS + channel;
  let a = row(at);
  let b = row(at + 4u * CHANNELS);
  let c = row(at + 8u * CHANNELS);
  let d = row(at + 12u * CHANNELS);
  let left = transform(a.a, b.a, c.a, d.a);
  let right = transform(a.b, b.b, c.b, d.b);
  let ox = tile % TILES_X * 2u;
  let oy = tile / TILES_X % TILES_Y * 2u;
  let image = tile / (TILES_X * TILES_Y);
  store(image, oy, ox, channel, left.a);
  store(image, oy, ox + 1u, channel, right.a);
  store(image, oy + 1u, ox, channel, left.b);
  store(image, oy + 1u, ox + 1u, channel, right.b);
}
