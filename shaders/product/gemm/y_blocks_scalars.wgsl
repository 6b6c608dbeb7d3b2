// Four columns of a block whose channels do not come in fours: see y_blocks.wgsl.

fn store(row: u32, group: u32, n4: u32, sum: vec4<f32>) {
  let n = 4u * n4;
  store_element(row, group, n, sum.x);
  store_element(row, group, n + 1u, sum.y);
  store_element(row, group, n + 2u, sum.z);
  store_element(row, group, n + 3u, sum.w);
}
