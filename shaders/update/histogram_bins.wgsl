// counts[row, bin] = values of range `row` in each of BINS equal bins from -bound to bound, and those
// below and above.
// step: u32[1]; x: bits of f32[p]; counts: [rows, COLUMNS]. Workgroups (i, row) share the range; each
// counts in its own memory first. Sums of integers are the same in any order, so atomics keep the bits.
// The bin is found in integers: a magnitude m 2^(e - 150) lies in bin
// floor(m / 2^(21 - LOG_SIDE + b - e) / c) from zero, where the bound is c 2^(b - 129).
// Twin: Histogram in src/ops/histogram/.

@group(0) @binding(0) var<storage, read> step: array<u32>;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read_write> counts: array<atomic<u32>>;

const INFINITY: u32 = 0x7f800000u;
const KEY_SHIFT: u32 = 21u;
const SIDE: u32 = BINS / 2u;
const BOUND: u32 = 5u;
// Bins, then what is below, and above.
const PLACES: u32 = BINS + 2u;

var<workgroup> own: array<atomic<u32>, PLACES>;
var<workgroup> shared_bound: u32;

fn place_of(word: u32, bound: u32) -> u32 {
  let negative = word >> 31u;
  let magnitude = word & 0x7fffffffu;
  if magnitude >= bound { return BINS + 1u - negative; }
  let exponent = magnitude >> 23u;
  let fraction = magnitude & 0x7fffffu;
  let m = select(fraction | 0x800000u, fraction, exponent == 0u);
  let shift = KEY_SHIFT - LOG_SIDE + (bound >> 23u) - max(exponent, 1u);
  let c = 4u + ((bound >> KEY_SHIFT) & 3u);
  let from_zero = (m >> min(shift, 31u)) / c;
  return select(SIDE + from_zero, SIDE - 1u - from_zero, negative == 1u);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  // Every invocation reads the same word, so that control flow stays uniform.
  if (step[0] + 1u) % PERIOD != 0u { return; }
  let row = workgroup_id.y;
  let range = range_of(row);
  for (var k = lane; k < PLACES; k += WORKGROUP_SIZE) { atomicStore(&own[k], 0u); }
  if lane == 0u { shared_bound = atomicLoad(&counts[row * COLUMNS + BINS + BOUND]); }
  // Orders the zeros and the bound before the counts.
  workgroupBarrier();
  let bound = shared_bound;
  let stride = GROUPS * WORKGROUP_SIZE;
  let first = workgroup_id.x * WORKGROUP_SIZE + lane;
  let elements = range.y - range.x;
  for (var i = first; i < elements; i += min(stride, elements - i)) {
    let word = x[range.x + i];
    let magnitude = word & 0x7fffffffu;
    if magnitude != 0u && magnitude < INFINITY { atomicAdd(&own[place_of(word, bound)], 1u); }
  }
  // Orders the counts before their sums.
  workgroupBarrier();
  for (var k = lane; k < PLACES; k += WORKGROUP_SIZE) {
    let count = atomicLoad(&own[k]);
    // What is below and above comes right behind the bins, as in a row.
    if count != 0u { atomicAdd(&counts[row * COLUMNS + k], count); }
  }
}
