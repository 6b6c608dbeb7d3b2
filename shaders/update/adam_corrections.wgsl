// The factors that all parameters share in step t = step + 1:
// (learning_rate / (1 - beta1^t), 1 / sqrt(1 - beta2^t), learning_rate * WEIGHT_DECAY).
// The complements 1 - beta^t are put together from those of the powers of two in t, since beta^t
// itself loses them: 1 - beta^(a + b) = c_a + c_b (1 - c_a), where c_a = 1 - beta^a.
// Twin: Adam in src/ops/update/optimizer/adam/mod.rs.

fn rates_of(learning_rate: f32, step: u32) -> vec3<f32> {
  // COMPLEMENTS[k] = (1 - beta1^(2^k), 1 - beta2^(2^k)).
  var complements = COMPLEMENTS;
  var correction = vec2<f32>(0.0);
  // The largest counter stays where adding one would wrap.
  let t = max(step, step + 1u);
  // From the lowest bit up: each step then halves the relative error so far.
  for (var bits = t; bits != 0u; bits &= bits - 1u) {
    correction += complements[firstTrailingBit(bits)] * (1.0 - correction);
  }
  return vec3<f32>(
    learning_rate / correction.x,
    1.0 / sqrt(correction.y),
    learning_rate * WEIGHT_DECAY,
  );
}
