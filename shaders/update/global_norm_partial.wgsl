// partials[g] = (large, medium, small): sums of the scaled squares of the elements that workgroup
// g reads, by range of magnitude; see common/norm_sums.wgsl.
// grads: [ELEMENTS] of Element; partials: vec4<f32>[GROUPS], the last component unused.
// One invocation sums every (GROUPS * WORKGROUP_SIZE)-th Element, in order; one workgroup sums its
// invocations as a tree.
// Twin: GlobalNorm in src/ops/optimiser/clip.rs.

@group(0) @binding(0) var<storage, read> grads: array<Element>;
@group(0) @binding(1) var<storage, read_write> partials: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  var large = Element(0.0);
  var medium = Element(0.0);
  var small = Element(0.0);
  let first = workgroup_id.x * WORKGROUP_SIZE + local_index;
  for (var i = first; i < ELEMENTS; i += GROUPS * WORKGROUP_SIZE) {
    let grad = grads[i];
    let bits = magnitude_bits(grad);
    let is_large = bits > Index(LARGE_BITS);
    let is_small = bits < Index(SMALL_BITS);
    // One factor, chosen at run time: the compiler cannot merge two factors into an underflow.
    let scale = select(
      select(Element(1.0), Element(SMALL_SCALE), is_small), Element(LARGE_SCALE), is_large);
    let scaled = grad * scale;
    let square = scaled * scaled;
    large += select(Element(0.0), square, is_large);
    medium += select(square, Element(0.0), is_large | is_small);
    small += select(Element(0.0), square, is_small);
  }
  let sums = workgroup_sum(
    local_index, vec3<f32>(sum_lanes(large), sum_lanes(medium), sum_lanes(small)));
  if local_index == 0u {
    partials[workgroup_id.x] = vec4<f32>(sums, 0.0);
  }
}
