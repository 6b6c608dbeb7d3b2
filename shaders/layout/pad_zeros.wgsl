// y[o, r] = x[o, r - BEFORE] where 0 <= r - BEFORE < RUN, else 0.
// x: [outer, RUN]; y: [outer, Y_PITCH], in groups of WORDS (32-bit words of any element type).
// One invocation computes one group of y. Twin: PadZeros in src/ops/concat.rs.

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
  let r = i % Y_PITCH;
  var value = WORDS(0u);
  if r >= BEFORE && r - BEFORE < RUN {
    value = x[i / Y_PITCH * RUN + (r - BEFORE)];
  }
  y[i] = value;
}
