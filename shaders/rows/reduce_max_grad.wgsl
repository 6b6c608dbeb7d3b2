// dx[r, c] = dy[o] where the element is number first[o] of those of which output o is the maximum,
// else 0: o and the number are c and r where OVER is 0 (rows), r and c where it is 1 (columns), and
// 0 and the flat index where it is 2 (all elements).
// first, dy: [columns], [rows] or [1]; dx: [INVOCATIONS]. One invocation computes one element.
// Twin: ReduceMaxGrad in src/ops/reduce_max_grad.rs.

@group(0) @binding(0) var<storage, read> first: array<u32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  var output = 0u;
  var number = i;
  if OVER == 0u {
    output = i % COLUMNS;
    number = i / COLUMNS;
  } else if OVER == 1u {
    output = i / COLUMNS;
    number = i % COLUMNS;
  }
  dx[i] = select(0.0, dy[output], first[output] == number);
}
