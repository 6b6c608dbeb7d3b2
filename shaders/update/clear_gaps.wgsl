// arena[j] = 0 within the gap of each workgroup, which has fewer than 1024 elements.
// gap(number): first element and length, generated. Twin: src/ops/update/clear_gaps.rs.

@group(0) @binding(0) var<storage, read_write> arena: array<f32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let range = gap(workgroup_id.x);
  for (var i = local_index; i < range.y; i += 64u) {
    arena[range.x + i] = 0.0;
  }
}
