// keys[row, k] = finite values of range `row` whose magnitude, as bits, is k * 2^21 and more; and the
// counts of its zeros, NaN and infinities, and its largest finite magnitude, in bits.
// step: u32[1]; x: bits of f32[p]; counts: [rows, COLUMNS]; keys: [rows, KEYS]. Workgroups (i, row)
// share the range; each counts in its own memory first. Sums and maxima of integers are the same in
// any order, so atomics keep the bits.
// Twin: Histogram in src/ops/histogram/.

@group(0) @binding(0) var<storage, read> step: array<u32>;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read_write> counts: array<atomic<u32>>;
@group(0) @binding(3) var<storage, read_write> keys: array<atomic<u32>>;

const INFINITY: u32 = 0x7f800000u;
const KEY_SHIFT: u32 = 21u;
const ZEROS: u32 = 2u;
const NANS: u32 = 3u;
const INFINITE: u32 = 4u;
const LARGEST: u32 = 6u;

var<workgroup> own_keys: array<atomic<u32>, KEYS>;
// By the column behind the bins.
var<workgroup> own_others: array<atomic<u32>, 7>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  // Every invocation reads the same word, so that control flow stays uniform.
  if (step[0] + 1u) % PERIOD != 0u { return; }
  let row = workgroup_id.y;
  let range = range_of(row);
  for (var k = lane; k < KEYS; k += WORKGROUP_SIZE) { atomicStore(&own_keys[k], 0u); }
  if lane < 7u { atomicStore(&own_others[lane], 0u); }
  // Orders the zeros before the counts.
  workgroupBarrier();
  var largest = 0u;
  let stride = GROUPS * WORKGROUP_SIZE;
  // The number of rounds rather than an index is compared: an index could wrap.
  let first = workgroup_id.x * WORKGROUP_SIZE + lane;
  let elements = range.y - range.x;
  for (var i = first; i < elements; i += min(stride, elements - i)) {
    let magnitude = x[range.x + i] & 0x7fffffffu;
    if magnitude > INFINITY {
      atomicAdd(&own_others[NANS], 1u);
    } else if magnitude == INFINITY {
      atomicAdd(&own_others[INFINITE], 1u);
    } else if magnitude == 0u {
      atomicAdd(&own_others[ZEROS], 1u);
    } else {
      atomicAdd(&own_keys[magnitude >> KEY_SHIFT], 1u);
      largest = max(largest, magnitude);
    }
  }
  atomicMax(&own_others[LARGEST], largest);
  // Orders the counts before their sums.
  workgroupBarrier();
  for (var k = lane; k < KEYS; k += WORKGROUP_SIZE) {
    let count = atomicLoad(&own_keys[k]);
    if count != 0u { atomicAdd(&keys[row * KEYS + k], count); }
  }
  if lane < 7u {
    let value = atomicLoad(&own_others[lane]);
    let column = row * COLUMNS + BINS + lane;
    if lane == LARGEST {
      atomicMax(&counts[column], value);
    } else if value != 0u {
      atomicAdd(&counts[column], value);
    }
  }
}
