// y[i] = sum_w counts[w, i].
// counts: [WORKGROUPS, 2]; y: [2]. Invocation i adds count i of all workgroups.
// Twin: CorrectCount in src/ops/accuracy.rs.

const COUNTS: u32 = 2u;

@group(0) @binding(0) var<storage, read> counts: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;

@compute @workgroup_size(COUNTS)
fn main(@builtin(local_invocation_index) i: u32) {
  var sum = 0u;
  for (var workgroup = 0u; workgroup < WORKGROUPS; workgroup += 1u) {
    sum += counts[COUNTS * workgroup + i];
  }
  y[i] = sum;
}
