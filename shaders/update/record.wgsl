// log'[step % LENGTH] = value, in place; the other entries stay.
// value: f32[1]; step: u32[1]; log: f32[LENGTH]. One invocation writes the entry.
// Twin: Record in src/ops/state.rs.

// As words: a NaN is copied bit by bit.
@group(0) @binding(0) var<storage, read> value: array<u32>;
@group(0) @binding(1) var<storage, read> step: array<u32>;
@group(0) @binding(2) var<storage, read_write> log_entries: array<u32>;

@compute @workgroup_size(1)
fn main() {
  log_entries[step[0] % LENGTH] = value[0];
}
