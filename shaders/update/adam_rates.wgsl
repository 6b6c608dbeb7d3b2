// rates = rates_of(learning_rate, step), see adam_corrections.wgsl, for a kernel that reads them
// (adam_rates_given.wgsl).
// learning_rate: f32[1]; step: u32[1]; rates: f32[3]. One invocation computes them.
// Twin: Adam in src/ops/update/optimizer/adam/mod.rs.

@group(0) @binding(0) var<storage, read> learning_rate: array<f32>;
@group(0) @binding(1) var<storage, read> step: array<u32>;
@group(0) @binding(2) var<storage, read_write> rates: array<f32>;

@compute @workgroup_size(1)
fn main() {
  let all = rates_of(learning_rate[0], step[0]);
  rates[0] = all.x;
  rates[1] = all.y;
  rates[2] = all.z;
}
