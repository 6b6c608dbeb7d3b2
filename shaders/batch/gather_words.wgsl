// x[i, j] = (image[i, j] / 255 - mean) / std, where image i is example order[p] of the data set,
// p = (step % STEPS_PER_EPOCH) * BATCH + i; zeros where the epoch has no example p.
// order: u32[ORDER_LENGTH]; step: u32[1]; shard0..: bytes, four to a word, little-endian, shard s
// holds the examples from s * SHARD_LENGTH on; x: f32[BATCH, IMAGE_BYTES].
// One invocation computes four floats of x from one word; IMAGE_BYTES is divisible by four.
// The generated text binds the shards, has word_of(shard, word) to read them, and
// normalized(bytes, phase) for the four channels on which word number phase + PHASES * k begins.
// With the first of a row, store_label(row, example) may store its label: gather_row_label.wgsl.
// Twin: GatherBatch in src/ops/batch/gather/mod.rs.

@group(0) @binding(0) var<storage, read> order: array<u32>;
@group(0) @binding(1) var<storage, read> step: array<u32>;
@group(0) @binding(2) var<storage, read_write> x: array<vec4<f32>>;

const IMAGE_WORDS: u32 = IMAGE_BYTES / 4u;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  let image_word = i % IMAGE_WORDS;
  let example = example_of(i / IMAGE_WORDS);
  if image_word == 0u { store_label(i / IMAGE_WORDS, example); }
  if example >= EXAMPLES {
    x[i] = vec4<f32>(0.0);
    return;
  }
  let word = word_of(example / SHARD_LENGTH, (example % SHARD_LENGTH) * IMAGE_WORDS + image_word);
  let bytes = (vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(0xffu);
  x[i] = normalized(vec4<f32>(bytes), image_word % PHASES);
}
