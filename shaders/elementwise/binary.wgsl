// y[r, c] = f(a[r, c], b[...]), where b has the shape of a, or [c], or [r, 1], or one element.
// a, y: [INVOCATIONS] of FLOATS; b: B_FLOATS, read at (i / B_DIVIDE) % B_MODULO. One invocation
// computes one of them.
// Twin: Binary in src/ops/binary.rs.

@group(0) @binding(0) var<storage, read> a: array<FLOATS>;
@group(0) @binding(1) var<storage, read> b: array<B_FLOATS>;
@group(0) @binding(2) var<storage, read_write> y: array<FLOATS>;

fn combine(a: FLOATS, b: FLOATS) -> FLOATS {
  switch FUNCTION {
    case 0u: { return a + b; }
    case 1u: { return a - b; }
    case 2u: { return a * b; }
    default: { return a / b; }
  }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  y[i] = combine(a[i], FLOATS(b[(i / B_DIVIDE) % B_MODULO]));
}
