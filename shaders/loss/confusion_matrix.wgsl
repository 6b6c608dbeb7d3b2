// total'[l, p] = total[l, p] + rows whose label is l and whose prediction is p, in place. Rows whose
// label or prediction is no class, as IGNORED_LABEL, are not counted.
// predictions, labels: [INVOCATIONS]; total: [CLASSES, CLASSES]. One invocation counts one row.
// Sums of integers are the same in any order, so atomics keep the bits.
// Twin: ConfusionMatrix in src/ops/confusion_matrix.rs.

@group(0) @binding(0) var<storage, read> predictions: array<u32>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read_write> total: array<atomic<u32>>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let row = flat_index(workgroup_id, num_workgroups, local_index);
  if row >= INVOCATIONS { return; }
  let label = labels[row];
  let prediction = predictions[row];
  if label < CLASSES && prediction < CLASSES {
    atomicAdd(&total[label * CLASSES + prediction], 1u);
  }
}
