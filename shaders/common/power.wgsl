// factor^exponent, where POWERS[k] = factor^(2^k).
fn power(exponent: u32) -> f32 {
  var powers = POWERS;
  var product = 1.0;
  for (var bits = exponent; bits != 0u; bits &= bits - 1u) {
    product *= powers[firstTrailingBit(bits)];
  }
  return product;
}
