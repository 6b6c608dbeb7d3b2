// Rows that one workgroup each works on: lane l handles columns l, l + LANES, ..., and the results
// of all lanes are combined in workgroup memory as a tree, in a fixed order.
// Twin in use: common/row_thread.wgsl offers the same functions for an invocation a row.

const LANES: u32 = WORKGROUP_SIZE;

var<workgroup> row_floats: array<vec3<f32>, WORKGROUP_SIZE>;
var<workgroup> row_words: array<u32, WORKGROUP_SIZE>;

// Row and first column of an invocation; rows from ROWS on do not exist, and must not be written.
fn row_and_lane(workgroup: u32, local_index: u32) -> vec2<u32> {
  return vec2<u32>(workgroup, local_index);
}

fn row_max(value: u32, lane: u32) -> u32 {
  row_words[lane] = value;
  // Orders the writes of one level before the reads of the next.
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    if lane < half { row_words[lane] = max(row_words[lane], row_words[lane + half]); }
    workgroupBarrier();
  }
  let result = row_words[0];
  // Orders the reads of the result before the next use of the memory.
  workgroupBarrier();
  return result;
}

fn row_min(value: u32, lane: u32) -> u32 {
  return ~row_max(~value, lane);
}

fn row_sum(value: vec3<f32>, lane: u32) -> vec3<f32> {
  row_floats[lane] = value;
  // Orders the writes of one level before the reads of the next.
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    if lane < half { row_floats[lane] += row_floats[lane + half]; }
    workgroupBarrier();
  }
  let result = row_floats[0];
  // Orders the reads of the result before the next use of the memory.
  workgroupBarrier();
  return result;
}
