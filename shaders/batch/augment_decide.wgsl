// What is decided for each image of a batch, and its label: y[i] = labels[example_of(i)], or
// IGNORED_LABEL where there is no example.
// order: u32[ORDER_LENGTH]; step: u32[1]; labels: u32[EXAMPLES]; y: u32[INVOCATIONS];
// decisions: i32[INVOCATIONS, 16], in four vectors: (place of the example, EXAMPLES for none; first
// row and column of the window; whether flipped), (matrix of the affine map), (its offset;
// brightness; contrast), (first row and column of the square that is cut out; 0; 0).
// One invocation decides for one image. Word j of draw i is word j of
// philox4x32(counter = [example, step, i, 0], key = [SEED, KEY_HIGH]). All numbers are integers.
// Twin: Decision in src/ops/augment/decision.rs.

@group(0) @binding(0) var<storage, read> order: array<u32>;
@group(0) @binding(1) var<storage, read> step: array<u32>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
@group(0) @binding(3) var<storage, read_write> decisions: array<vec4<i32>>;
@group(0) @binding(4) var<storage, read_write> y: array<u32>;

// Fixed-point numbers have 14 bits behind the point.
const ONE: i32 = 16384;

fn draw(example: u32, step_of_draw: u32, number: u32) -> vec4<u32> {
  return philox4x32(vec4<u32>(example, step_of_draw, number, 0u), vec2<u32>(SEED, KEY_HIGH));
}

// A uniform integer from -range to range.
fn around_zero(word: u32, range: u32) -> i32 {
  return bitcast<i32>(multiply_high(word, 2u * range + 1u) - range);
}

fn times(a: i32, b: i32) -> i32 {
  return (a * b + ONE / 2) >> 14u;
}

// The matrix of the affine map: rotation, after zoom, after shear along the rows.
fn matrix_of(rotation: u32, zoom_word: u32, shear_word: u32) -> vec4<i32> {
  let turned = sine_cosine(around_zero(rotation, ROTATION));
  let sheared = sine_cosine(around_zero(shear_word, SHEAR));
  let tangent = sheared.x * ONE / sheared.y;
  let zoom = ONE + around_zero(zoom_word, ZOOM);
  return vec4<i32>(
    times(turned.y - times(turned.x, tangent), zoom),
    times(times(turned.y, tangent) + turned.x, zoom),
    times(-turned.x, zoom),
    times(turned.y, zoom),
  );
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  let place = example_of(i);
  var decided = array<vec4<i32>, 4>();
  decided[0] = vec4<i32>(i32(EXAMPLES), 0, 0, 0);
  var label = IGNORED_LABEL;
  if place < EXAMPLES {
    label = labels[place];
    let example = order[(step[0] % STEPS_PER_EPOCH) * BATCH + i];
    let first = draw(example, step[0], 0u);
    let second = draw(example, step[0], 1u);
    let third = draw(example, step[0], 2u);
    var flipped = 0u;
    if FLIP == RANDOM_FLIP {
      flipped = first.z >> 31u;
    } else if FLIP == ALTERNATING_FLIP {
      flipped = (draw(example, 0u, 3u).x ^ (step[0] / STEPS_PER_PASS)) & 1u;
    }
    decided[0] = vec4<i32>(
      i32(place),
      around_zero(first.x, CROP_PADDING),
      around_zero(first.y, CROP_PADDING),
      i32(flipped),
    );
    decided[1] = matrix_of(first.w, second.z, second.w);
    decided[2] = vec4<i32>(
      i32(WIDTH - 1u) * ONE - around_zero(second.x, SHIFT_X),
      i32(HEIGHT - 1u) * ONE - around_zero(second.y, SHIFT_Y),
      ONE + around_zero(third.z, BRIGHTNESS),
      ONE + around_zero(third.w, CONTRAST),
    );
    decided[3] = vec4<i32>(
      i32(multiply_high(third.x, HEIGHT)) - i32(CUTOUT / 2u),
      i32(multiply_high(third.y, WIDTH)) - i32(CUTOUT / 2u),
      0,
      0,
    );
  }
  y[i] = label;
  for (var k = 0u; k < 4u; k += 1u) {
    decisions[4u * i + k] = decided[k];
  }
}
