// The first maximum of a window of x [N, H, W, C], C in groups of FLOATS, as `pooled` gives its
// values: see max_pool2d.wgsl. Padding never wins; the first NaN wins. Uses
// common/float_bits_each.wgsl.

struct Maximum {
  value: FLOATS,
  // ky KW + kx
  position: WORDS,
}

// Of output element `i`, in a group of channels. `orientation` is handed on to `pooled`.
fn window_maximum(i: u32, orientation: FLOATS) -> Maximum {
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
      let value = pooled((row + (ox * STRIDE_W + kx - LEFT)) * GROUPS + group, orientation);
      let is_nan = is_nan_each(value);
      let wins = !started | (!best_is_nan & (is_nan | (value > best)));
      best = select(best, value, wins);
      best_is_nan = best_is_nan | is_nan;
      winner = select(winner, WORDS(ky * KW + kx), wins);
      started = FLAGS(true);
    }
  }
  return Maximum(best, winner);
}
