// x[i, j] = (image[i, j] / 255 - mean) / std, where image i is example order[p] of the data set,
// p = (step % STEPS_PER_EPOCH) * BATCH + i; zeros where the epoch has no example p.
// order: u32[ORDER_LENGTH]; step: u32[1]; shard0..: bytes, four to a word, little-endian, shard s
// holds the examples from s * SHARD_LENGTH on; x: f32[BATCH, IMAGE_BYTES].
// One invocation computes one float of x, of any image size. Four at a time: gather_words.wgsl.
// The generated text binds the shards, has word_of(shard, word) to read them, and
// normalized(byte, phase) for the channel of pixel number phase + PHASES * k.
// With the first of a row, store_label(row, example) may store its label: gather_row_label.wgsl.
// Twin: GatherBatch in src/ops/batch/gather/mod.rs.

@group(0) @binding(0) var<storage, read> order: array<u32>;
@group(0) @binding(1) var<storage, read> step: array<u32>;
@group(0) @binding(2) var<storage, read_write> x: array<f32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  let pixel = i % IMAGE_BYTES;
  let example = example_of(i / IMAGE_BYTES);
  if pixel == 0u { store_label(i / IMAGE_BYTES, example); }
  if example >= EXAMPLES {
    x[i] = 0.0;
    return;
  }
  let byte = (example % SHARD_LENGTH) * IMAGE_BYTES + pixel;
  let word = word_of(example / SHARD_LENGTH, byte / 4u);
  x[i] = normalized(f32((word >> (8u * (byte % 4u))) & 0xffu), pixel % PHASES);
}
