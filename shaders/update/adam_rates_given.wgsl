// What adam_rates.wgsl has computed.
// Twin in use: adam_rates_here.wgsl computes it in every invocation.

@group(0) @binding(4) var<storage, read> given_rates: array<f32>;

fn shared_rates() -> vec3<f32> {
  return vec3<f32>(given_rates[0], given_rates[1], given_rates[2]);
}
