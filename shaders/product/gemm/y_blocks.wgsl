// The result of a product as images: a row is a block of BLOCK_H x BLOCK_W pixels, its columns are
// these pixels, CHANNELS elements each. y: [images, IMAGE_H, IMAGE_W, GROUPS * CHANNELS].
// Rows of further shares of the sum are images behind those of the shares before.

// No bias is added to images.
fn bias_of(group: u32, n4: u32) -> vec4<f32> {
  return vec4<f32>();
}

// Stores tail(sum), element n of a block, where the image has it.
fn store_element(row: u32, group: u32, n: u32, sum: FLOATS) {
  let pixel = n / CHANNELS;
  // Above and left of the image these wrap around, far beyond its other sides.
  let iy = row / BLOCKS_X % BLOCKS_Y * BLOCK_H + pixel / BLOCK_W - OUTSIDE_Y;
  let ix = row % BLOCKS_X * BLOCK_W + pixel % BLOCK_W - OUTSIDE_X;
  if pixel < BLOCK_H * BLOCK_W && iy < IMAGE_H && ix < IMAGE_W {
    let image = row / (BLOCKS_Y * BLOCKS_X);
    let place = (image * IMAGE_H + iy) * IMAGE_W + ix;
    let i = (place * GROUPS + group) * CHANNELS + n % CHANNELS;
    y[i] = tail(sum, i);
  }
}
