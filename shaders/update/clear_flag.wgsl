// flag = 0. flag: u32[1]. One invocation computes it.
// Twin: Unscale in src/ops/loss_scale.rs.

@group(0) @binding(0) var<storage, read_write> overflow: array<u32>;

@compute @workgroup_size(1)
fn main() {
  overflow[0] = 0u;
}
