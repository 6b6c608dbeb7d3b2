// Chains of a = fma(a, factor, term), side by side, so that neither memory nor the latency of one
// operation decides: the throughput of multiply-add. Unrolled, so that counting turns costs nothing.
// x: f32[2] = (factor, term), read at run time so that nothing is evaluated beforehand;
// y: [INVOCATIONS]. `main`, which one invocation runs once, is generated.
// Twin: multiply_add_main in src/bench/probes.rs. The time is what counts.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
