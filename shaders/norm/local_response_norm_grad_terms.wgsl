// First stage of the gradient of local response normalisation: with the base
// s[r, c] = K + SLOPE sum_j x[r, j]^2 over the window of channels j around c,
// dx[r, c] = dy s^-BETA, and terms[r, c] = dy x s^(-BETA - 1), for the second stage.
// x, dy, terms, dx: [rows, CHANNELS]; SLOPE = alpha / SIZE. One invocation computes one element.
// Twin: LocalResponseNormGrad in src/ops/local_response_norm.rs.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> terms: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;

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
  let window = window_of(c);
  var squares = 0.0;
  for (var j = window.x; j < window.y; j += 1u) {
    squares += x[row + j] * x[row + j];
  }
  let base = K + SLOPE * squares;
  let direct = dy[i] * inverse_power(base);
  dx[i] = direct;
  terms[i] = direct * x[i] / base;
}
