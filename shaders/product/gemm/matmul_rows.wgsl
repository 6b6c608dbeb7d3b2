// Rows of a left factor [M, GROUPS * TAP_K] of a product: one tap of TAP_K elements per group.

alias Row = u32;

fn row_at(m: u32) -> Row {
  return select(NONE, m * (GROUPS * TAP_K / A_WIDTH), m < M);
}

fn tap_at(row: Row, tap: u32) -> u32 {
  return row;
}
