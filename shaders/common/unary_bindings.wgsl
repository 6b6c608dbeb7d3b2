// Bindings of kernels that map one tensor, in elements of type FLOATS, to another.
@group(0) @binding(0) var<storage, read> x: array<FLOATS>;
@group(0) @binding(1) var<storage, read_write> y: array<FLOATS>;

fn bias_at(channel: u32) -> f32 {
  return 0.0;
}
