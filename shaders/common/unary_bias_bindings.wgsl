// Bindings of kernels that map one tensor, in elements of type FLOATS, to another and add a bias
// over the last dimension.
@group(0) @binding(0) var<storage, read> x: array<FLOATS>;
@group(0) @binding(1) var<storage, read> bias: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<FLOATS>;

fn bias_at(channel: u32) -> f32 {
  return bias[channel];
}
