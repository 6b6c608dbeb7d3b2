// Results of float operations of which WGSL leaves the outcome to the device, as bits.
// x: u32[8], bits of floats, read at run time so that nothing is evaluated beforehand; y: u32[8].
// One invocation computes everything.
// Twin: the table ANSWERS in src/verify/facts.rs, in the order of y.
// Source: WGSL specification, "Differences from IEEE-754".

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;

fn bits(value: f32) -> u32 {
  return bitcast<u32>(value);
}

@compute @workgroup_size(1)
fn main() {
  let not_a_number = bitcast<f32>(x[0]);
  let infinity = bitcast<f32>(x[1]);
  let subnormal = bitcast<f32>(x[2]);
  let factor = bitcast<f32>(x[3]);
  let minus_rounded_square = bitcast<f32>(x[4]);
  let large = bitcast<f32>(x[5]);
  let one = bitcast<f32>(x[6]);
  let zero = bitcast<f32>(x[7]);
  y[0] = bits(max(not_a_number, zero));
  y[1] = bits(clamp(not_a_number, -one, one));
  y[2] = select(0u, 1u, not_a_number != not_a_number);
  y[3] = bits(infinity * zero);
  y[4] = bits(subnormal * one);
  y[5] = bits(fma(factor, factor, minus_rounded_square));
  y[6] = bits(factor * factor + minus_rounded_square);
  y[7] = bits((large + one) - large);
}
