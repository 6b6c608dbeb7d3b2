// counts[w] = [rows whose label is among the K largest logits, rows whose label is not IGNORED_LABEL]
// over the rows of workgroup w. Of equal logits the first counts as larger, NaN as larger than all.
// logits: [ROWS, COLUMNS]; labels: [ROWS]; counts: [WORKGROUPS, 2]. Invocation i of all workgroups
// takes rows i, i + WORKGROUPS * WORKGROUP_SIZE, ...
// Twin: CorrectCount in src/ops/accuracy.rs.

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read_write> counts: array<u32>;

var<workgroup> lane_counts: array<vec2<u32>, WORKGROUP_SIZE>;

fn is_among_largest(row: u32, label: u32) -> bool {
  if label >= COLUMNS { return false; }
  let own = order_key(logits[row * COLUMNS + label]);
  var rank = 0u;
  for (var c = 0u; c < COLUMNS; c += 1u) {
    let key = order_key(logits[row * COLUMNS + c]);
    rank += u32(key > own || (key == own && c < label));
  }
  return rank < K;
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  var count = vec2<u32>(0u);
  let first = workgroup_id.x * WORKGROUP_SIZE + lane;
  for (var row = first; row < ROWS; row += WORKGROUPS * WORKGROUP_SIZE) {
    let label = labels[row];
    if label != IGNORED_LABEL { count += vec2<u32>(u32(is_among_largest(row, label)), 1u); }
  }
  lane_counts[lane] = count;
  // Orders the writes of one level before the reads of the next.
  workgroupBarrier();
  for (var half = WORKGROUP_SIZE / 2u; half > 0u; half /= 2u) {
    if lane < half { lane_counts[lane] += lane_counts[lane + half]; }
    workgroupBarrier();
  }
  if lane == 0u {
    counts[2u * workgroup_id.x] = lane_counts[0].x;
    counts[2u * workgroup_id.x + 1u] = lane_counts[0].y;
  }
}
