// u[k, e, n] = (G w[.., .., k, n] G^T)[e / 4, e % 4]: weights of a 3 x 3 convolution, transformed for
// F(2 x 2, 3 x 3). w lies in memory such that a tap has K * N weights, with the steps K_STEP and
// N_STEP; where FLIPPED is 1, the window is turned by 180 degrees.
// w: [3, 3, ..]; u: [K, 16, N]. One invocation computes the 16 elements of one pair (k, n).
// Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016, eq. 9.
// Twins: Conv2d and Conv2dInputGrad.

@group(0) @binding(0) var<storage, read> w: array<f32>;
@group(0) @binding(1) var<storage, read_write> u: array<f32>;

const LAST_TAP: u32 = 8u;

fn load(ky: u32, kx: u32, i: u32) -> f32 {
  let tap = 3u * ky + kx;
  let k = i / N;
  let n = i % N;
  return w[select(tap, LAST_TAP - tap, FLIPPED == 1u) * K * N + k * K_STEP + n * N_STEP];
}

// A column of G w.
fn column(kx: u32, i: u32) -> vec4<f32> {
  let a = load(0u, kx, i);
  let b = load(1u, kx, i);
  let c = load(2u, kx, i);
  return vec4<f32>(a, 0.5 * (a + c + b), 0.5 * (a + c - b), c);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  let a = column(0u, i);
  let b = column(1u, i);
  let c = column(2u, i);
  let sum = 0.5 * (a + c + b);
  let difference = 0.5 * (a + c - b);
  let first = i / N * 16u * N + i % N;
  for (var row = 0u; row < 4u; row += 1u) {
    let at = first + 4u * row * N;
    u[at] = a[row];
    u[at + N] = sum[row];
    u[at + 2u * N] = difference[row];
    u[at + 3u * N] = c[row];
  }
}
