// After an overflow: scale = BACKOFF scale, good_steps = 0, skipped + 1. Else good_steps + 1 and
// updates + 1; at INTERVAL good steps they start again from 0 with scale = GROWTH scale, unless that
// is infinite.
// overflow, good_steps, skipped, updates: u32[1]; scale: f32[1]. One invocation computes all.
// Twin: UpdateLossScale in src/ops/loss_scale.rs.

@group(0) @binding(0) var<storage, read> overflow: array<u32>;
@group(0) @binding(1) var<storage, read_write> scale: array<f32>;
@group(0) @binding(2) var<storage, read_write> good_steps: array<u32>;
@group(0) @binding(3) var<storage, read_write> skipped: array<u32>;
@group(0) @binding(4) var<storage, read_write> updates: array<u32>;

@compute @workgroup_size(1)
fn main() {
  if overflow[0] != 0u {
    scale[0] = BACKOFF * scale[0];
    good_steps[0] = 0u;
    skipped[0] = skipped[0] + 1u;
    return;
  }
  updates[0] = updates[0] + 1u;
  let good = good_steps[0] + 1u;
  good_steps[0] = select(good, 0u, good == INTERVAL);
  if good == INTERVAL && scale[0] <= LARGEST {
    scale[0] = GROWTH * scale[0];
  }
}
