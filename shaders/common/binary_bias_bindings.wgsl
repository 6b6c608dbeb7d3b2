// Bindings of kernels that combine two tensors and add a bias over the last dimension.
@group(0) @binding(0) var<storage, read> a: array<A_TYPE>;
@group(0) @binding(1) var<storage, read> b: array<B_TYPE>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<Y_TYPE>;

fn bias_at(channel: u32) -> f32 {
  return bias[channel];
}
