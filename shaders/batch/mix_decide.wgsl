// What is decided for a batch that is mixed with itself. step: u32[1]; decision: u32[8]: how many rows
// further the partner is; the weight of a row's own pixels outside of the box, times 2^16; first and
// end row, first and end column of the box that shows the partner; the weight of a row's own label,
// as numerator and denominator.
// One invocation does it all. Weights are WEIGHTS, sides of the box SIDES at a random position:
// quantiles at multiples of 1/256, times 2^16, with straight lines between them.
// Twin: Decision in src/ops/mix/decision.rs.

@group(0) @binding(0) var<storage, read> step: array<u32>;
@group(0) @binding(1) var<storage, read_write> decision: array<u32>;

const WEIGHT_ONE: u32 = 65536u;

@compute @workgroup_size(1)
fn main() {
  let words = philox4x32(vec4<u32>(step[0], 0u, 0u, 0u), vec2<u32>(SEED, KEY_HIGH));
  let choice = philox4x32(vec4<u32>(step[0], 1u, 0u, 0u), vec2<u32>(SEED, KEY_HIGH)).x >> 31u;
  let at = words.x >> 24u;
  let part = (words.x >> 8u) & 0xffffu;
  var shift = 0u;
  if BATCH > 1u {
    shift = 1u + multiply_high(words.y, BATCH - 1u);
  }
  var weight = WEIGHT_ONE;
  var share = vec2<u32>(WEIGHT_ONE);
  var first = vec2<u32>(0u);
  var end = vec2<u32>(0u);
  if CUTMIX == 1u && (MIXUP == 0u || choice == 1u) {
    var sides = SIDES;
    let side = sides[at] + (((sides[at + 1u] - sides[at]) * part) >> 16u);
    let size = vec2<u32>(HEIGHT, WIDTH);
    let half = (side * size) >> vec2<u32>(17u);
    let centre = vec2<u32>(multiply_high(words.z, HEIGHT), multiply_high(words.w, WIDTH));
    first = centre - min(centre, half);
    end = min(centre + half, size);
    let lengths = end - first;
    share = vec2<u32>(HEIGHT * WIDTH - lengths.x * lengths.y, HEIGHT * WIDTH);
  } else if MIXUP == 1u {
    var weights = WEIGHTS;
    weight = weights[at] + (((weights[at + 1u] - weights[at]) * part) >> 16u);
    share.x = weight;
  }
  decision[0] = shift;
  decision[1] = weight;
  decision[2] = first.x;
  decision[3] = end.x;
  decision[4] = first.y;
  decision[5] = end.y;
  decision[6] = share.x;
  decision[7] = share.y;
}
