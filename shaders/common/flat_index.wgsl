// The flat index of an invocation in a grid that was folded into two or three dimensions.
// Twin: grid in src/graph/kernel.rs. Guard the result with INVOCATIONS.
fn flat_index(workgroup_id: vec3<u32>, num_workgroups: vec3<u32>, local_index: u32) -> u32 {
  let workgroup = (workgroup_id.z * num_workgroups.y + workgroup_id.y) * GRID_X + workgroup_id.x;
  return workgroup * WORKGROUP_SIZE + local_index;
}
