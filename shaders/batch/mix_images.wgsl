// y[i] = w x[i] + (1 - w) x[partner_of(i)], where w is the batch's weight, and 0 within the box; what
// weighs nothing is not looked at.
// decision, labels: see mix_partner.wgsl; x, y: f32[BATCH, HEIGHT, WIDTH, CHANNELS].
// One invocation computes one element.
// Twin: MixBatch in src/ops/mix/mod.rs.

@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

const IMAGE: u32 = HEIGHT * WIDTH * CHANNELS;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  let element = i % IMAGE;
  let row = element / CHANNELS / WIDTH;
  let column = element / CHANNELS % WIDTH;
  let within_rows = row >= decision[2] && row < decision[3];
  let within_columns = column >= decision[4] && column < decision[5];
  let weight = select(decision[1], 0u, within_rows && within_columns);
  let own = x[i];
  let other = x[partner_of(i / IMAGE) * IMAGE + element];
  if weight == 65536u {
    y[i] = own;
  } else if weight == 0u {
    y[i] = other;
  } else {
    let part = f32(weight) * (1.0 / 65536.0);
    y[i] = part * own + (1.0 - part) * other;
  }
}
