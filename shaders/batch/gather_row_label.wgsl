// y[row] = labels[example], and IGNORED_LABEL where the epoch has no such example.
// labels: u32[EXAMPLES]; y: u32[BATCH]. The generated text binds both.
// Twin: GatherBatch in src/ops/batch/gather/mod.rs; gather_labels.wgsl does it in a dispatch of its own.
fn store_label(row: u32, example: u32) {
  if example < EXAMPLES {
    y[row] = labels[example];
  } else {
    y[row] = IGNORED_LABEL;
  }
}
