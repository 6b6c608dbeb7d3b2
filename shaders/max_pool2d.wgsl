// y[n, oy, ox, c] = max over ky, kx of x[n, oy s - top + ky, ox s - left + kx, c], and
// index[...] = ky KW + kx of the first maximum. Padding never wins; the first NaN wins.
// x: [N, H, W, C]; y, index: [N, OH, OW, C], C in groups of FLOATS.
// One invocation computes the channels of one group at one position.
// Twin: MaxPool2d in src/ops/pool/max.rs.

@group(0) @binding(0) var<storage, read> x: array<FLOATS>;
@group(0) @binding(1) var<storage, read_write> y: array<FLOATS>;
@group(0) @binding(2) var<storage, read_write> index: array<WORDS>;

// Only bits tell: implementations may assume that no NaN occurs in comparisons.
fn not_a_number(value: FLOATS) -> FLAGS {
  return (bitcast<WORDS>(value) & WORDS(0x7fffffffu)) > WORDS(0x7f800000u);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  let group = i % GROUPS;
  let ox = i / GROUPS % OW;
  let oy = i / (GROUPS * OW) % OH;
  let n = i / (GROUPS * OW * OH);
  let rows = rows_inside(oy);
  let columns = columns_inside(ox);

  // The window's first element inside the input: padding of at most half a window leaves one.
  var winner = WORDS(rows.x * KW + columns.x);
  var best = FLOATS(0.0);
  var started = FLAGS(false);
  var best_is_nan = FLAGS(false);
  for (var ky = rows.x; ky < rows.y; ky += 1u) {
    let row = (n * H + (oy * STRIDE_H + ky - TOP)) * W;
    for (var kx = columns.x; kx < columns.y; kx += 1u) {
      let value = x[(row + (ox * STRIDE_W + kx - LEFT)) * GROUPS + group];
      let is_nan = not_a_number(value);
      let wins = !started | (!best_is_nan & (is_nan | (value > best)));
      best = select(best, value, wins);
      best_is_nan = best_is_nan | is_nan;
      winner = select(winner, WORDS(ky * KW + kx), wins);
      started = FLAGS(true);
    }
  }
  y[i] = best;
  index[i] = winner;
}
