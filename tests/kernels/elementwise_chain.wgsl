// dropout+activate_grad, variant one_per_thread_vec4, kernel 1 of 1: elementwise_chain
// attributes  {"links":[{"member":{"attributes":{"rate":0.30000001192092896,"seed":7,"stream":2},"op":"dropout"},"operands":[{"input":1},{"input":2}]},{"member":{"attributes":{"function":"relu"},"op":"activate_grad"},"operands":[{"input":0},{"link":0}]}]}
// input 0     f32[6, 12]
// input 1     f32[6, 12]
// input 2     u32[1]
// output 0    f32[6, 12]
// whole op    5616 FLOP, 868 bytes of operands
// workgroups  1 x 1 x 1
// binding 0   input 0, read
// binding 1   input 1, read
// binding 2   input 2, read
// binding 3   output 0, write
// called by   step 0, masked_relu_grad_vec4

alias FLOATS = vec4<f32>;
alias WORDS = vec4<u32>;
alias FLAGS = vec4<bool>;
// max(x, 0) and its derivative, where y = activate(x). By bits, as integers: compilers make a max of a
// comparison with zero, which hides NaN.
// Twin: Activation::Relu in src/graph/epilogue.rs.

// Of negative infinity. As signed integers, the bits of negative numbers are at most as large; those
// of NaN of either sign, and of positive numbers, are larger.
const NEGATIVE_INFINITY: i32 = -8388608;

fn activate(x: f32) -> f32 {
  let bits = bitcast<i32>(x);
  return bitcast<f32>(select(bits, 0i, bits <= NEGATIVE_INFINITY));
}

// Zero at NaN.
fn activate_derivative(x: f32, y: f32) -> f32 {
  // The bits of positive numbers lie between 1 and those of infinity.
  return select(0.0, 1.0, bitcast<u32>(y) - 1u < 0x7f800000u);
}
// Activation of four floats: the vector twin of activation_one.wgsl. FLOATS is vec4<f32>.

fn activate_each(x: FLOATS) -> FLOATS {
  return FLOATS(activate(x.x), activate(x.y), activate(x.z), activate(x.w));
}

fn derivative_each(value: FLOATS) -> FLOATS {
  return FLOATS(
    activate_derivative(value.x, value.x),
    activate_derivative(value.y, value.y),
    activate_derivative(value.z, value.z),
    activate_derivative(value.w, value.w),
  );
}
// Philox 4x32-10: four random words for a counter and a key.
// Twin: philox4x32 in src/tensor/rng.rs.
// Source: Salmon, Moraes, Dror and Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", 2011.

// High 32 bits of a * b, from 16-bit halves: WGSL has no 64-bit integers.
fn multiply_high(a: u32, b: u32) -> u32 {
  let a_low = a & 0xffffu;
  let a_high = a >> 16u;
  let b_low = b & 0xffffu;
  let b_high = b >> 16u;
  let middle = a_high * b_low + ((a_low * b_low) >> 16u);
  let carry = a_low * b_high + (middle & 0xffffu);
  return a_high * b_high + (middle >> 16u) + (carry >> 16u);
}

fn philox4x32(counter_in: vec4<u32>, key_in: vec2<u32>) -> vec4<u32> {
  var counter = counter_in;
  var key = key_in;
  for (var round = 0u; round < 10u; round += 1u) {
    let high0 = multiply_high(0xD2511F53u, counter.x);
    let high1 = multiply_high(0xCD9E8D57u, counter.z);
    counter = vec4<u32>(
      high1 ^ counter.y ^ key.x,
      0xCD9E8D57u * counter.z,
      high0 ^ counter.w ^ key.y,
      0xD2511F53u * counter.x,
    );
    key += vec2<u32>(0x9E3779B9u, 0xBB67AE85u);
  }
  return counter;
}

// A uniform number in [0, 1) with 24 bits from one random word.
fn uniform_from(word: u32) -> f32 {
  return f32(word >> 8u) * (1.0 / 16777216.0);
}
// Which of the elements 4 i to 4 i + 3 dropout keeps: they share one draw of common/philox.wgsl.
// Twin: Dropout in src/ops/elementwise/dropout/mod.rs.

fn kept(i: u32, stream: u32, step: u32, key: vec2<u32>, rate: f32) -> FLAGS {
  let words = philox4x32(vec4<u32>(i, stream, step, 0u), key);
  let uniform_numbers = FLOATS(
    uniform_from(words.x),
    uniform_from(words.y),
    uniform_from(words.z),
    uniform_from(words.w),
  );
  return uniform_numbers >= FLOATS(rate);
}
const WORKGROUP_SIZE: u32 = 64u;
const INVOCATIONS: u32 = 18u;
const GRID_X: u32 = 1u;
// The flat index of an invocation in a grid that was folded into two or three dimensions.
// Twin: grid in src/graph/kernel.rs. Guard the result with INVOCATIONS.
fn flat_index(workgroup_id: vec3<u32>, num_workgroups: vec3<u32>, local_index: u32) -> u32 {
  let workgroup = (workgroup_id.z * num_workgroups.y + workgroup_id.y) * GRID_X + workgroup_id.x;
  return workgroup * WORKGROUP_SIZE + local_index;
}
@group(0) @binding(0) var<storage, read> input0: array<FLOATS>;
@group(0) @binding(1) var<storage, read> input1: array<FLOATS>;
@group(0) @binding(2) var<storage, read> input2: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<FLOATS>;

// dropout+activate_grad
fn chain(i: u32) -> FLOATS {
  let result0 = select(FLOATS(0.0), input1[i] * f32(1.4285715), kept(i, 2u, input2[0], vec2<u32>(7u, 1685221232u), f32(0.3)));
  let result1 = result0 * derivative_each(input0[i]);
  return result1;
}
// y[i] = chain(i), where `chain` is written for the members of the chain and their operands, whose
// values in between stay in registers.
// y: [INVOCATIONS] of FLOATS, and so are operands that are not repeated. One invocation computes
// one of them.
// Twin: ElementwiseChain in src/ops/elementwise/chain/.

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  y[i] = chain(i);
}
