// Every invocation computes what all share: some twenty operations, where a dispatch of its own would
// take longer.
// Twin in use: adam_rates_given.wgsl reads it.

@group(0) @binding(4) var<storage, read> learning_rate: array<f32>;
@group(0) @binding(5) var<storage, read> step: array<u32>;

fn shared_rates() -> vec3<f32> {
  return rates_of(learning_rate[0], step[0]);
}
