// grads' = min(max(grads, -LIMIT), LIMIT), in place; a NaN stays.
// grads: [INVOCATIONS] of Element. One invocation clips one Element.
// Twin: ClipByValue in src/ops/optimiser/clip.rs.

@group(0) @binding(0) var<storage, read_write> grads: array<Element>;

const INFINITY_BITS: u32 = 0x7f800000u;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  let grad = grads[i];
  let clipped = clamp(grad, Element(-LIMIT), Element(LIMIT));
  // clamp turns a NaN into a bound; only the bits tell it apart.
  grads[i] = select(clipped, grad, magnitude_bits(grad) > Index(INFINITY_BITS));
}
