// targets[i, c] = ON_TARGET (s [c is the label of row i] + (1 - s) [c is that of its partner])
// + OFF_TARGET, zeros where row i has no label; dominant[i] = the label that weighs more.
// decision, labels: see mix_partner.wgsl; targets: f32[BATCH, CLASSES]; dominant: u32[BATCH].
// One invocation computes one row.
// Twin: MixBatch in src/ops/mix/mod.rs.

@group(0) @binding(2) var<storage, read_write> targets: array<f32>;
@group(0) @binding(3) var<storage, read_write> dominant: array<u32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  let own = labels[i];
  let other = labels[partner_of(i)];
  let numerator = decision[6];
  let denominator = decision[7];
  let share = f32(numerator) / f32(denominator);
  for (var c = 0u; c < CLASSES; c += 1u) {
    let mixed = select(0.0, share, c == own) + select(0.0, 1.0 - share, c == other);
    targets[i * CLASSES + c] = select(ON_TARGET * mixed + OFF_TARGET, 0.0, own == IGNORED_LABEL);
  }
  // Twice the numerator may need more than 32 bits.
  dominant[i] = select(other, own, numerator >= denominator - numerator);
}
