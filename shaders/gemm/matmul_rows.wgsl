// Rows of a left factor [M, TAP_K] of a product: one tap of TAP_K elements.

alias Row = u32;

fn row_at(m: u32) -> Row {
  return select(NONE, m * (TAP_K / A_WIDTH), m < M);
}

fn tap_at(row: Row, tap: u32) -> u32 {
  return row;
}
