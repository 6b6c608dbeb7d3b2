// Chains of a = a * factor + term, 16 side by side, so that neither memory nor the latency of one
// operation decides: the throughput of multiply-add.
// x: f32[2] = (factor, term), read at run time so that nothing is evaluated beforehand;
// y: [INVOCATIONS]. One invocation makes ITERATIONS * 16 multiply-adds.
// No twin: the time is what counts.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  let factor = vec4<f32>(x[0]);
  let term = vec4<f32>(x[1]);
  var a = vec4<f32>(f32(i), 1.0, 2.0, 3.0);
  var b = a + 4.0;
  var c = a + 8.0;
  var d = a + 12.0;
  for (var k = 0u; k < ITERATIONS; k += 1u) {
    a = fma(a, factor, term);
    b = fma(b, factor, term);
    c = fma(c, factor, term);
    d = fma(d, factor, term);
  }
  let sum = (a + b) + (c + d);
  y[i] = (sum.x + sum.y) + (sum.z + sum.w);
}
