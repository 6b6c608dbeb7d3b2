// Nothing has been subtracted from the values: the twin of first_row_pivot.wgsl.
fn pivot_of(group: u32) -> FLOATS {
  return FLOATS();
}
