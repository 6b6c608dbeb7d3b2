// Rows that one invocation each works on: the results of its loop are those of the row.
// Twin in use: common/row_workgroup.wgsl offers the same functions for a workgroup a row.

const LANES: u32 = 1u;

// Row and first column of an invocation; rows from ROWS on do not exist, and must not be written.
fn row_and_lane(workgroup: u32, local_index: u32) -> vec2<u32> {
  return vec2<u32>(workgroup * WORKGROUP_SIZE + local_index, 0u);
}

fn row_max(value: u32, lane: u32) -> u32 {
  return value;
}

fn row_min(value: u32, lane: u32) -> u32 {
  return value;
}

fn row_sum(value: vec3<f32>, lane: u32) -> vec3<f32> {
  return value;
}
