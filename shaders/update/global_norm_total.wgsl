// norm = sqrt(sum of squares), from the sums that the workgroups of global_norm_partial.wgsl left.
// partials: vec4<f32>[GROUPS]; norm: f32[1]. One workgroup computes it: an invocation sums every
// WORKGROUP_SIZE-th partial, in order, and the workgroup its invocations as a tree.
// Uses common/float_bits.wgsl. Twin: GlobalNorm in src/ops/update/optimizer/clip.rs.

@group(0) @binding(0) var<storage, read> partials: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> norm: array<f32>;

// sqrt(a^2 + b^2) without overflow; a, b >= 0.
fn hypotenuse(a: f32, b: f32) -> f32 {
  let longer = max(a, b);
  if longer == 0.0 { return 0.0; }
  let ratio = min(a, b) / longer;
  return longer * sqrt(1.0 + ratio * ratio);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(local_invocation_index) local_index: u32) {
  var sums = vec3<f32>(0.0);
  for (var group = local_index; group < GROUPS; group += WORKGROUP_SIZE) {
    sums += partials[group].xyz;
  }
  sums = workgroup_sum(local_index, sums);
  if local_index == 0u {
    if !is_finite(sums.x) {
      // What is not finite counts as large; max could hide a NaN.
      norm[0] = sums.x;
    } else {
      let large = sqrt(sums.x) / LARGE_SCALE;
      norm[0] = hypotenuse(large, hypotenuse(sqrt(sums.y), sqrt(sums.z) / SMALL_SCALE));
    }
  }
}
