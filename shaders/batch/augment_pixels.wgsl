// x[i, row, column, channel] = the augmented image of row i of the batch, normalized; zeros where it
// has no example.
// decisions: i32[BATCH, 16], as augment_decide.wgsl makes them; shard0..: bytes, four to a word,
// little-endian, shard s holds the examples from s * SHARD_LENGTH on;
// x: f32[BATCH, HEIGHT, WIDTH, CHANNELS].
// One invocation computes the CHANNELS floats of one pixel. Values are levels, integers from 0 to
// WHITE_LEVEL = 255 * 256, up to the normalization: exact, and the same on every device.
// Before this file: fill/*.wgsl for filled(at, side). The generated text binds the shards, has word_of(shard, word) to read them, center_of(channel) of
// the contrast, and normalized(level, channel, element of the image).
// Twin: AugmentBatch in src/ops/batch/augment/mod.rs.

@group(0) @binding(0) var<storage, read> decisions: array<vec4<i32>>;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;

const WHITE_LEVEL: i32 = 65280;
const IMAGE_BYTES: u32 = HEIGHT * WIDTH * CHANNELS;

// A coordinate in the padded image, as one in the image; negative for black.
fn unpadded(at: i32, side: i32) -> i32 {
  if at >= 0 && at < side { return at; }
  if REFLECTS == 0u { return -1; }
  return select(2 * (side - 1) - at, -at, at < 0);
}

// A byte of the image after crop and flip, or of what lies around it.
fn byte_at(window: vec4<i32>, row_in: i32, column_in: i32, channel: u32) -> u32 {
  let row = filled(row_in, i32(HEIGHT));
  let column = filled(column_in, i32(WIDTH));
  if row < 0 || column < 0 { return 0u; }
  let across = select(column, i32(WIDTH) - 1 - column, window.w == 1);
  let from_row = unpadded(row + window.y, i32(HEIGHT));
  let from_column = unpadded(across + window.z, i32(WIDTH));
  if from_row < 0 || from_column < 0 { return 0u; }
  let place = u32(window.x);
  let pixel = u32(from_row) * WIDTH + u32(from_column);
  let byte = (place % SHARD_LENGTH) * IMAGE_BYTES + pixel * CHANNELS + channel;
  let word = word_of(place / SHARD_LENGTH, byte / 4u);
  return (word >> (8u * (byte % 4u))) & 0xffu;
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  let image = i / (HEIGHT * WIDTH);
  let pixel = i % (HEIGHT * WIDTH);
  let row = i32(pixel / WIDTH);
  let column = i32(pixel % WIDTH);
  let window = decisions[4u * image];
  var blank = u32(window.x) >= EXAMPLES;
  if CUTOUT > 0u {
    let inner = vec2<i32>(row, column) - decisions[4u * image + 3u].xy;
    blank = blank || (all(inner >= vec2<i32>(0)) && all(inner < vec2<i32>(i32(CUTOUT))));
  }
  if blank {
    for (var channel = 0u; channel < CHANNELS; channel += 1u) {
      x[i * CHANNELS + channel] = 0.0;
    }
    return;
  }
  let offset = decisions[4u * image + 2u];
  // The position to sample, in pixels times 256, columns before rows.
  var position = vec2<i32>(column, row) << vec2<u32>(8u);
  if AFFINE == 1u {
    let matrix = decisions[4u * image + 1u];
    let across = 2 * column - i32(WIDTH - 1u);
    let down = 2 * row - i32(HEIGHT - 1u);
    let fine = matrix.xz * across + matrix.yw * down + offset.xy;
    position = (fine + vec2<i32>(64)) >> vec2<u32>(7u);
  }
  let corner = position >> vec2<u32>(8u);
  let part = vec2<u32>(position & vec2<i32>(255));
  for (var channel = 0u; channel < CHANNELS; channel += 1u) {
    var level = 256u * byte_at(window, corner.y, corner.x, channel);
    if AFFINE == 1u {
      let right = byte_at(window, corner.y, corner.x + 1, channel);
      let below = byte_at(window, corner.y + 1, corner.x, channel);
      let diagonal = byte_at(window, corner.y + 1, corner.x + 1, channel);
      let upper = (256u - part.x) * (level / 256u) + part.x * right;
      let lower = (256u - part.x) * below + part.x * diagonal;
      level = ((256u - part.y) * upper + part.y * lower + 128u) >> 8u;
    }
    var shade = i32(level);
    if BRIGHTNESS > 0u {
      // Up to 65280 * 2^15: beyond 31 bits, within 32.
      shade = min(i32((level * u32(offset.z) + 8192u) >> 14u), WHITE_LEVEL);
    }
    if CONTRAST > 0u {
      let center = center_of(channel);
      shade = clamp(center + (((shade - center) * offset.w + 8192) >> 14u), 0, WHITE_LEVEL);
    }
    x[i * CHANNELS + channel] = normalized(f32(shade), channel, pixel * CHANNELS + channel);
  }
}
