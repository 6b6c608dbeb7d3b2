// Four columns of a block whose channels come in fours: see y_blocks.wgsl.

fn store(row: u32, group: u32, n4: u32, sum: vec4<f32>) {
  store_element(row, group, n4, sum);
}
