// Sum over the rows of workers of what each of them has put into the memory of tile_a, for a vector
// of columns of the tile.
fn chunk_total(column: u32) -> vec4<f32> {
  var sum = vec4<f32>();
  for (var worker = 0u; worker < TILE_ROWS / BLOCK_ROWS; worker += 1u) {
    sum += tile_a[worker * TILE_N4 + column];
  }
  return sum;
}
