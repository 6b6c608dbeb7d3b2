// dbeta[c] = sum_k chunk_dy[k, c], dgamma[c] = sum_k chunk_products[k, c] / sqrt(variance[c] +
// EPSILON), from the sums over chunks of batch_norm_grad_sums.wgsl.
// chunk_dy, chunk_products: [CHUNKS, C]; variance, dgamma, dbeta: [C], C in groups of FLOATS.
// One workgroup computes one group of channels; its invocations take chunks in turns.
// Twins: BatchNormGrad and BatchNormInferenceGrad in src/ops/batch_norm.

@group(0) @binding(0) var<storage, read> chunk_dy: array<FLOATS>;
@group(0) @binding(1) var<storage, read> chunk_products: array<FLOATS>;
@group(0) @binding(2) var<storage, read> variance: array<FLOATS>;
@group(0) @binding(3) var<storage, read_write> dgamma: array<FLOATS>;
@group(0) @binding(4) var<storage, read_write> dbeta: array<FLOATS>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let group = flat_index(workgroup_id, num_workgroups, 0u) / WORKGROUP_SIZE;
  if group >= GROUPS { return; }
  var sum = FLOATS(0.0);
  var products = FLOATS(0.0);
  for (var chunk = local_index; chunk < CHUNKS; chunk += WORKGROUP_SIZE) {
    sum += chunk_dy[chunk * GROUPS + group];
    products += chunk_products[chunk * GROUPS + group];
  }
  let total = workgroup_total(sum, local_index);
  let total_products = workgroup_total(products, local_index);
  if local_index == 0u {
    dbeta[group] = total;
    dgamma[group] = total_products / sqrt(variance[group] + EPSILON);
  }
}
