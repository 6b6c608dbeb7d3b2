// Second stage of the gradient of local response normalisation:
// dx[r, c] -= 2 BETA SLOPE x[r, c] sum_j terms[r, j] over the channels j that c normalises.
// x, terms, dx: [rows, CHANNELS]; SLOPE = alpha / SIZE. One invocation computes one element.
// Twin: LocalResponseNormGrad in src/ops/local_response_norm.rs.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> terms: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  let c = i % CHANNELS;
  let row = i - c;
  let window = window_over(c);
  var sum = 0.0;
  for (var j = window.x; j < window.y; j += 1u) {
    sum += terms[row + j];
  }
  dx[i] -= 2.0 * BETA * SLOPE * x[i] * sum;
}
