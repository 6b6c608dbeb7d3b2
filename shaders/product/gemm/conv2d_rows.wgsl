// Rows of x [BATCH, IN_H, IN_W, IN_C] as those of a product: row m is output pixel m, a tap of the
// window is the channels of one input pixel. Taps in the padding do not exist.

struct Row {
  n: u32,
  // Input pixel of the window's first tap; in the padding it wraps around, far beyond the image.
  y: u32,
  x: u32,
}

// Further from the image than any tap reaches.
const OUTSIDE: u32 = 0x40000000u;

fn row_at(m: u32) -> Row {
  let oy = m / OUT_W % OUT_H;
  let y = select(OUTSIDE, oy * STRIDE_H - PAD_TOP, m < M);
  return Row(m / (OUT_W * OUT_H), y, m % OUT_W * STRIDE_W - PAD_LEFT);
}

fn tap_at(row: Row, tap: u32) -> u32 {
  let y = row.y + tap / KERNEL_W * DILATION_H;
  let x = row.x + tap % KERNEL_W * DILATION_W;
  let inside = y < IN_H && x < IN_W;
  return select(NONE, ((row.n * IN_H + y) * IN_W + x) * (IN_C / A_WIDTH), inside);
}
