// What has been subtracted from the values of a group of channels: those of the first row.
fn pivot_of(group: u32) -> FLOATS {
  return x[group];
}
