// losses[step % LOSSES] = mean of rows[r] over the labels that are not IGNORED_LABEL,
// rates[step % RATES] = rate, correct += [rows whose label has the largest logit, rows with a label],
// step += 1, all in place.
// rows, labels: [ROWS]; logits: [ROWS, COLUMNS]; rate, step: [1]; correct: [2]; losses: [LOSSES];
// rates: [RATES]. One workgroup (common/batch_tally.wgsl).
// Twin: EndStep in src/ops/update/end_step.rs.

@group(0) @binding(0) var<storage, read> rows: array<f32>;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
@group(0) @binding(3) var<storage, read> rate: array<f32>;
@group(0) @binding(4) var<storage, read_write> losses: array<f32>;
@group(0) @binding(5) var<storage, read_write> rates: array<f32>;
@group(0) @binding(6) var<storage, read_write> correct: array<u32>;
@group(0) @binding(7) var<storage, read_write> step: array<u32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(local_invocation_index) lane: u32) {
  tally(lane, 1u);
  if lane != 0u { return; }
  let now = step[0];
  let counts = row_counts[0];
  losses[now % LOSSES] = row_sums[0] / f32(max(counts.x, 1u));
  rates[now % RATES] = rate[0];
  correct[0] += counts.y;
  correct[1] += counts.x;
  step[0] = now + 1u;
}
