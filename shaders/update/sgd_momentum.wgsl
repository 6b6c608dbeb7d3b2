// g = grads + WEIGHT_DECAY params for the first DECAYED elements, else grads;
// velocity' = g in the first step, then MOMENTUM velocity + (1 - dampening) g;
// params' = params - learning_rate d, all in place, where d = velocity', and with NESTEROV
// d = g + MOMENTUM velocity'.
// grads, params, velocity: [INVOCATIONS] of Element; learning_rate: f32[1]; step: u32[1].
// rate_factor scales the learning rate; elements where it is zero stay as they are.
// One invocation updates one Element: one float or four.
// Twin: Sgd in src/ops/optimiser/sgd.rs.
// Source: Sutskever et al., "On the importance of initialization and momentum", 2013.

@group(0) @binding(0) var<storage, read> grads: array<Element>;
@group(0) @binding(1) var<storage, read> learning_rate: array<f32>;
@group(0) @binding(2) var<storage, read> step: array<u32>;
@group(0) @binding(3) var<storage, read_write> params: array<Element>;
@group(0) @binding(4) var<storage, read_write> velocity: array<Element>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  let factor = rate_factor(i);
  // Frozen elements stay as they are.
  if factor == 0.0 { return; }
  let param = params[i];
  var grad = grads[i];
  grad = select(grad, grad + WEIGHT_DECAY * param, lane_index(i) < Index(DECAYED));
  var speed = grad;
  if step[0] != 0u {
    speed = MOMENTUM * velocity[i] + ONE_MINUS_DAMPENING * grad;
  }
  velocity[i] = speed;
  var direction = speed;
  if NESTEROV == 1u {
    direction = grad + MOMENTUM * speed;
  }
  params[i] = param - factor * learning_rate[0] * direction;
}
