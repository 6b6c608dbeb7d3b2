// rate = BASE * factor(step): a linear warmup over WARMUP steps, then the schedule.
// step: u32[1]; rate: f32[1]. One invocation computes it.
// Powers and the cosine are computed here, since the built-in pow, exp and cos may be off by
// thousands of ulps: powers as a product of POWERS[k] = factor^(2^k), the cosine as a polynomial.
// Twin: LearningRate in src/ops/learning_rate.rs.
// Source of the cosine schedule: Loshchilov and Hutter, "SGDR", 2017.

@group(0) @binding(0) var<storage, read> step: array<u32>;
@group(0) @binding(1) var<storage, read_write> rate: array<f32>;

const POWER: u32 = 1u;
const COSINE: u32 = 2u;

// factor^exponent, where the table holds factor^1, factor^2, factor^4, ...
fn power(exponent: u32) -> f32 {
  var powers = POWERS;
  var product = 1.0;
  for (var bits = exponent; bits != 0u; bits &= bits - 1u) {
    product *= powers[firstTrailingBit(bits)];
  }
  return product;
}

// sin(x * pi / 2) for x in [0, 1]: the Taylor series, whose next term is below 7e-10.
fn sine_of_quarter_turns(x: f32) -> f32 {
  let z = x * x;
  var sum = 5.692172921967926e-8;
  sum = sum * z - 3.598843235212085e-6;
  sum = sum * z + 1.6044118478735982e-4;
  sum = sum * z - 4.681754135318688e-3;
  sum = sum * z + 7.969262624616704e-2;
  sum = sum * z - 0.6459640975062462;
  sum = sum * z + 1.5707963267948966;
  return x * sum;
}

fn factor(completed: u32) -> f32 {
  if completed < WARMUP {
    return f32(completed + 1u) / f32(WARMUP);
  }
  switch SCHEDULE {
    case POWER: { return power((completed - WARMUP) / EVERY); }
    case COSINE: {
      // 0.5 (1 + cos(pi t)) = sin(pi/2 (1 - t))^2, which does not cancel near t = 1.
      let remaining = f32(TOTAL - min(completed, TOTAL)) / f32(TOTAL - WARMUP);
      let sine = sine_of_quarter_turns(remaining);
      return FINAL_FACTOR + REMAINING_FACTOR * (sine * sine);
    }
    default: { return 1.0; }
  }
}

@compute @workgroup_size(1)
fn main() {
  rate[0] = BASE * factor(step[0]);
}
