// Windows of two-dimensional pooling over an input of H x W with TOP, BOTTOM, LEFT and RIGHT rows
// and columns of padding; OH x OW windows of KH x KW, STRIDE_H and STRIDE_W apart.
// Twin: PoolGeometry in src/ops/pool/geometry.rs.

// Elements [begin, end) of window o that lie inside the input, on one axis. Without padding the
// result is constant, so that loops over it can be unrolled.
fn inside(o: u32, window: u32, stride: u32, before: u32, after: u32, size: u32) -> vec2<u32> {
  let start = o * stride;
  let begin = max(start, before) - start;
  let end = select(min(start + window, before + size) - start, window, after == 0u);
  return vec2<u32>(begin, end);
}

fn rows_inside(oy: u32) -> vec2<u32> {
  return inside(oy, KH, STRIDE_H, TOP, BOTTOM, H);
}

fn columns_inside(ox: u32) -> vec2<u32> {
  return inside(ox, KW, STRIDE_W, LEFT, RIGHT, W);
}

// Windows [begin, end) that hold the element at `position` of the padded input, on one axis.
fn covering(position: u32, window: u32, stride: u32, count: u32) -> vec2<u32> {
  // Subtract only where it does not wrap.
  let past = max(position, window) - window;
  let begin = select(0u, past / stride + 1u, position >= window);
  return vec2<u32>(begin, min(position / stride + 1u, count));
}

fn windows_over_row(iy: u32) -> vec2<u32> {
  return covering(iy + TOP, KH, STRIDE_H, OH);
}

fn windows_over_column(ix: u32) -> vec2<u32> {
  return covering(ix + LEFT, KW, STRIDE_W, OW);
}
