// g = grads + WEIGHT_DECAY params (Adam) or params' = params - learning_rate WEIGHT_DECAY params
// (AdamW), for the first DECAYED elements;
// m' = BETA1 m + (1 - BETA1) g, v' = BETA2 v + (1 - BETA2) g^2,
// params' = params - rates.x m' / (rates.y sqrt(v') + EPSILON), all in place; rate_factor scales
// rates.x and rates.z, and elements where it is zero stay as they are.
// grads, params, m, v: [INVOCATIONS] of Element; rates = shared_rates(), see adam_corrections.wgsl.
// One invocation updates one Element: one float or four.
// Twin: Adam in src/ops/update/optimizer/adam/mod.rs.
// Source: Kingma and Ba, "Adam", 2015; Loshchilov and Hutter, "Decoupled Weight Decay", 2019.

@group(0) @binding(0) var<storage, read> grads: array<Element>;
@group(0) @binding(1) var<storage, read_write> params: array<Element>;
@group(0) @binding(2) var<storage, read_write> m: array<Element>;
@group(0) @binding(3) var<storage, read_write> v: array<Element>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  let factor = rate_factor(i);
  // Frozen elements keep their moments as well.
  if factor == 0.0 { return; }
  let rates = shared_rates();
  var param = params[i];
  var grad = grads[i];
  let decayed = lane_index(i) < Index(DECAYED);
  if DECOUPLED == 1u {
    param = select(param, param - factor * rates.z * param, decayed);
  } else {
    grad = select(grad, grad + WEIGHT_DECAY * param, decayed);
  }
  let first = BETA1 * m[i] + ONE_MINUS_BETA1 * grad;
  let second = BETA2 * v[i] + ONE_MINUS_BETA2 * (grad * grad);
  m[i] = first;
  v[i] = second;
  params[i] = param - factor * rates.x * (first / (rates.y * sqrt(second) + EPSILON));
}
