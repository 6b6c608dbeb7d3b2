// Rows of dy [BATCH, OUT_H, OUT_W, OUT_C] as those of a product: row m is input pixel m, a tap is
// the channels of the output pixel whose window reads the input pixel with that tap. Taps that no
// window has do not exist.

struct Row {
  n: u32,
  y: u32,
  x: u32,
}

// Further from the image than any tap reaches.
const OUTSIDE: u32 = 0x40000000u;

fn row_at(m: u32) -> Row {
  let y = select(OUTSIDE, m / IN_W % IN_H + PAD_TOP, m < M);
  return Row(m / (IN_W * IN_H), y, m % IN_W + PAD_LEFT);
}

fn tap_at(row: Row, tap: u32) -> u32 {
  // Before the first window the difference wraps around, far beyond the last one.
  let offset_y = row.y - tap / KERNEL_W * DILATION_H;
  let offset_x = row.x - tap % KERNEL_W * DILATION_W;
  let y = offset_y / STRIDE_H;
  let x = offset_x / STRIDE_W;
  let on_grid = y * STRIDE_H == offset_y && x * STRIDE_W == offset_x;
  let inside = on_grid && y < OUT_H && x < OUT_W;
  return select(NONE, ((row.n * OUT_H + y) * OUT_W + x) * (OUT_C / A_WIDTH), inside);
}
