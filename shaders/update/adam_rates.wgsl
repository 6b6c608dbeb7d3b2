// The factors that all parameters share in step t = step + 1:
// rates[0] = learning_rate / (1 - beta1^t), rates[1] = 1 / sqrt(1 - beta2^t),
// rates[2] = learning_rate * WEIGHT_DECAY.
// learning_rate: f32[1]; step: u32[1]; rates: f32[3]. One invocation computes them.
// The complements 1 - beta^t are put together from those of the powers of two in t, since beta^t
// itself loses them: 1 - beta^(a + b) = c_a + c_b (1 - c_a), where c_a = 1 - beta^a.
// Twin: Adam in src/ops/optimiser/adam.rs.

@group(0) @binding(0) var<storage, read> learning_rate: array<f32>;
@group(0) @binding(1) var<storage, read> step: array<u32>;
@group(0) @binding(2) var<storage, read_write> rates: array<f32>;

@compute @workgroup_size(1)
fn main() {
  // COMPLEMENTS[k] = (1 - beta1^(2^k), 1 - beta2^(2^k)).
  var complements = COMPLEMENTS;
  var correction = vec2<f32>(0.0);
  // The largest counter stays where adding one would wrap.
  let t = max(step[0], step[0] + 1u);
  // From the lowest bit up: each step then halves the relative error so far.
  for (var bits = t; bits != 0u; bits &= bits - 1u) {
    correction += complements[firstTrailingBit(bits)] * (1.0 - correction);
  }
  rates[0] = learning_rate[0] / correction.x;
  rates[1] = 1.0 / sqrt(correction.y);
  rates[2] = learning_rate[0] * WEIGHT_DECAY;
}
