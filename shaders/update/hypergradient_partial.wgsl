// partials[g] = sum of grads (previous - params) over the elements that workgroup g reads, and
// previous' = params.
// grads, params, previous: [ELEMENTS] of Element; partials: f32[GROUPS].
// One invocation sums every (GROUPS * WORKGROUP_SIZE)-th Element, in order; one workgroup sums its
// invocations as a tree.
// Twin: Hypergradient in src/ops/optimiser/hypergradient.rs.

@group(0) @binding(0) var<storage, read> grads: array<Element>;
@group(0) @binding(1) var<storage, read> params: array<Element>;
@group(0) @binding(2) var<storage, read_write> previous: array<Element>;
@group(0) @binding(3) var<storage, read_write> partials: array<f32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  var sum = Element(0.0);
  let first = workgroup_id.x * WORKGROUP_SIZE + local_index;
  for (var i = first; i < ELEMENTS; i += GROUPS * WORKGROUP_SIZE) {
    let param = params[i];
    sum += grads[i] * (previous[i] - param);
    previous[i] = param;
  }
  let total = workgroup_total(sum_lanes(sum), local_index);
  if local_index == 0u {
    partials[workgroup_id.x] = total;
  }
}
