// y[split, m, n] = f(sum_k a[m, k] * b[k, n] + bias[n]) over the share `split` of the k; a and b are
// stored transposed where A_TRANSPOSED or B_TRANSPOSED is 1.
// a: [M, K] or [K, M]; b: [K, N] or [N, K]; y: [splits, M, N]. One invocation computes one element.
// The bindings stand in common/binary_bindings.wgsl or common/binary_bias_bindings.wgsl.
// Twin: Matmul in src/ops/matmul/mod.rs.

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  let n = i % N;
  let m = i / N % M;
  let first_k = i / (N * M) * K_PER_SPLIT;
  let a_step = select(1u, M, A_TRANSPOSED == 1u);
  let b_step = select(N, 1u, B_TRANSPOSED == 1u);
  var a_index = select(m * K, m, A_TRANSPOSED == 1u) + first_k * a_step;
  var b_index = select(n, n * K, B_TRANSPOSED == 1u) + first_k * b_step;
  let end = min(first_k + K_PER_SPLIT, K);
  var sum = 0.0;
  for (var k = first_k; k < end; k += 1u) {
    sum = fma(a[a_index], b[b_index], sum);
    a_index += a_step;
    b_index += b_step;
  }
  y[i] = tail(sum + bias_at(n), i);
}
