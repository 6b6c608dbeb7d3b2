// The flat index of a workgroup in a grid that was folded into two or three dimensions.
// Twin: grid in src/graph/kernel.rs. Guard the result with TILES.
fn flat_workgroup(workgroup_id: vec3<u32>, num_workgroups: vec3<u32>) -> u32 {
  return (workgroup_id.z * num_workgroups.y + workgroup_id.y) * num_workgroups.x + workgroup_id.x;
}
