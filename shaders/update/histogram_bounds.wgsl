// counts[row, bound] = bits of the least bound beyond which there is at most one in BEYOND of the
// finite values of range `row` that are not zero: the upper edge of a key.
// step: u32[1]; keys: [INVOCATIONS, KEYS]; counts: [INVOCATIONS, COLUMNS]. One invocation per range.
// Twin: Histogram in src/ops/histogram/.

@group(0) @binding(0) var<storage, read> step: array<u32>;
@group(0) @binding(1) var<storage, read> keys: array<u32>;
@group(0) @binding(2) var<storage, read_write> counts: array<u32>;

const KEY_SHIFT: u32 = 21u;
const FIRST_NORMAL: u32 = 4u;
const LAST_FINITE: u32 = 1019u;
const BOUND: u32 = 5u;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let row = flat_index(workgroup_id, num_workgroups, local_index);
  if row >= INVOCATIONS || (step[0] + 1u) % PERIOD != 0u { return; }
  var all = 0u;
  for (var k = 0u; k <= LAST_FINITE; k += 1u) { all += keys[row * KEYS + k]; }
  var left = all / BEYOND;
  var key = LAST_FINITE;
  for (; key >= FIRST_NORMAL; key -= 1u) {
    let count = keys[row * KEYS + key];
    if count > left { break; }
    left -= count;
  }
  counts[row * COLUMNS + BINS + BOUND] = clamp(key + 1u, FIRST_NORMAL, LAST_FINITE) << KEY_SHIFT;
}
