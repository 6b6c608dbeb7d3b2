// Rows of a left operand [M, K] in gemm_rows: one tap of K / 4 vectors.

alias Row = u32;

fn row_at(m: u32) -> Row {
  return select(NONE, m * TAP_K4, m < M);
}

fn tap_at(row: Row, tap: u32) -> u32 {
  return row;
}
