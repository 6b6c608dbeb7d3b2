// y[o * Y_PITCH + Y_OFFSET + r] = x[o * X_PITCH + X_OFFSET + r] for o < INVOCATIONS / RUN, r < RUN:
// copies runs of 32-bit words of any element type, so that every bit pattern survives.
// x, y: groups of WORDS; offsets, pitches and RUN count such groups. One invocation copies one
// group. Twins: Concat and Slice in src/ops/concat.rs.

@group(0) @binding(0) var<storage, read> x: array<WORDS>;
@group(0) @binding(1) var<storage, read_write> y: array<WORDS>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  let o = i / RUN;
  let r = i % RUN;
  y[o * Y_PITCH + Y_OFFSET + r] = x[o * X_PITCH + X_OFFSET + r];
}
