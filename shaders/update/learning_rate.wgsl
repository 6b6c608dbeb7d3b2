// rate = BASE * factor(step): a linear warmup over WARMUP steps, then the schedule, which is
// factor_after of one of learning_rate/*.wgsl.
// step: u32[1]; rate: f32[1]. One invocation computes it.
// Powers and the cosine are computed here, since the built-in pow, exp and cos may be off by
// thousands of ulps.
// Twin: LearningRate in src/ops/learning_rate/mod.rs.

@group(0) @binding(0) var<storage, read> step: array<u32>;
@group(0) @binding(1) var<storage, read_write> rate: array<f32>;

fn factor(completed: u32) -> f32 {
  if completed < WARMUP {
    return f32(completed + 1u) / f32(WARMUP);
  }
  return factor_after(completed - WARMUP);
}

@compute @workgroup_size(1)
fn main() {
  rate[0] = BASE * factor(step[0]);
}
