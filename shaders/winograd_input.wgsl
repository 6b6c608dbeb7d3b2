// v[t, e, k] = (B^T d B)[e / 4, e % 4] for each channel k: tiles of 4 x 4 pixels, of which neighbours
// overlap by two, transformed for F(2 x 2, 3 x 3). Pixels outside the image are zero.
// x: [IMAGES, IN_H, IN_W, CHANNELS]; v: [IMAGES * TILES_Y * TILES_X, 16, CHANNELS], in elements of
// type FLOATS. Tile (ty, tx) starts at pixel (2 ty - PAD_TOP, 2 tx - PAD_LEFT). One invocation
// transforms one element of one tile.
// Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016, eq. 9.
// Twins: Conv2d and Conv2dInputGrad.

@group(0) @binding(0) var<storage, read> x: array<FLOATS>;
@group(0) @binding(1) var<storage, read_write> v: array<FLOATS>;

struct Column {
  a: FLOATS,
  b: FLOATS,
  c: FLOATS,
  d: FLOATS,
}

fn load(image: u32, iy: u32, ix: u32, channel: u32) -> FLOATS {
  // Left of and above the image the indices wrap around, far beyond it.
  let inside = iy < IN_H && ix < IN_W;
  let index = ((image * IN_H + iy) * IN_W + ix) * CHANNELS + channel;
  return select(FLOATS(), x[select(0u, index, inside)], inside);
}

// B^T times a column of four numbers.
fn transform(a: FLOATS, b: FLOATS, c: FLOATS, d: FLOATS) -> Column {
  return Column(a - c, b + c, c - b, b - d);
}

fn column(image: u32, iy: u32, ix: u32, channel: u32) -> Column {
  return transform(
    load(image, iy, ix, channel),
    load(image, iy + 1u, ix, channel),
    load(image, iy + 2u, ix, channel),
    load(image, iy + 3u, ix, channel),
  );
}

fn store(at: u32, row: Column) {
  v[at] = row.a;
  v[at + CHANNELS] = row.b;
  v[at + 2u * CHANNELS] = row.c;
  v[at + 3u * CHANNELS] = row.d;
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
  let ix = tile % TILES_X * 2u - PAD_LEFT;
  let iy = tile / TILES_X % TILES_Y * 2u - PAD_TOP;
  let image = tile / (TILES_X * TILES_Y);
  let a = column(image, iy, ix, channel);
  let b = column(image, iy, ix + 1u, channel);
  let c = column(image, iy, ix + 2u, channel);
  let d = column(image, iy, ix + 3u, channel);
  let at = tile * 16u * CHANNELS + channel;
  store(at, transform(a.a, b.a, c.a, d.a));
  store(at + 4u * CHANNELS, transform(a.b, b.b, c.b, d.b));
  store(at + 8u * CHANNELS, transform(a.c, b.c, c.c, d.c));
  store(at + 12u * CHANNELS, transform(a.d, b.d, c.d, d.d));
}
