// grads' = grads * min(1, MAX_NORM / (norm + STABILIZER)), in place.
// norm: f32[1]; grads: [INVOCATIONS] of Element. One invocation scales one Element.
// A NaN or an infinity stays in its place, and a norm of NaN turns all gradients into NaN: told by
// their bits, since min may drop a NaN and an infinity times zero may count as zero.
// Twin: ClipByNorm in src/ops/update/optimizer/clip.rs.
// Source: Pascanu et al., "On the difficulty of training recurrent neural networks", 2013.

@group(0) @binding(0) var<storage, read> norm: array<f32>;
@group(0) @binding(1) var<storage, read_write> grads: array<Element>;

const INFINITY_BITS: u32 = 0x7f800000u;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  let total = norm[0];
  var scale = min(1.0, MAX_NORM / (total + STABILIZER));
  // Dividing by an infinity may give anything.
  scale = select(scale, 0.0, bitcast<u32>(total) == INFINITY_BITS);
  scale = select(scale, total, (bitcast<u32>(total) & MAGNITUDE_MASK) > INFINITY_BITS);
  let grad = grads[i];
  // What is not finite stays so, and is NaN where the factor is zero or NaN.
  let poison = select(0u, 0x7fc00000u, (bitcast<u32>(total) & MAGNITUDE_MASK) >= INFINITY_BITS);
  let kept = bitcast<Element>(bitcast<Index>(grad) | Index(poison));
  grads[i] = select(scale * grad, kept, magnitude_bits(grad) >= Index(INFINITY_BITS));
}
