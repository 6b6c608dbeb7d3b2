// The row that row i of a batch is mixed with: itself where one of the two has no label.
// decision: u32[8], as mix_decide.wgsl makes it; labels: u32[BATCH]. Twin: MixBatch in
// src/ops/batch/mix/mod.rs.

@group(0) @binding(0) var<storage, read> decision: array<u32>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;

fn partner_of(i: u32) -> u32 {
  let partner = (i + decision[0]) % BATCH;
  let ignored = labels[i] == IGNORED_LABEL || labels[partner] == IGNORED_LABEL;
  return select(partner, i, ignored);
}
