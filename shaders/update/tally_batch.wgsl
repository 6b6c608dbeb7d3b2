// loss += sum of rows[r] over the labels that are not IGNORED_LABEL, correct += [rows whose label has
// the largest logit, rows with a label], store_top(counts) where the K largest count as well, step += 1,
// all in place.
// rows, labels: [ROWS]; logits: [ROWS, COLUMNS]; loss, step: [1]; correct: [2]. One workgroup
// (common/batch_tally.wgsl).
// Twin: TallyBatch in src/ops/update/tally_batch.rs.

@group(0) @binding(0) var<storage, read> rows: array<f32>;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
@group(0) @binding(3) var<storage, read_write> loss: array<f32>;
@group(0) @binding(4) var<storage, read_write> correct: array<u32>;
@group(0) @binding(5) var<storage, read_write> step: array<u32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(local_invocation_index) lane: u32) {
  tally(lane, K);
  if lane != 0u { return; }
  let counts = row_counts[0];
  loss[0] += row_sums[0];
  correct[0] += counts.y;
  correct[1] += counts.x;
  store_top(counts);
  step[0] += 1u;
}
