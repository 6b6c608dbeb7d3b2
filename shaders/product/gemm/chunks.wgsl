// Where kernels of products put the statistics of chunks of rows of the result: the mean of each
// column, and the sum of squared distances from it.
// chunk_mean, chunk_squares: [chunks, GROUPS * N4] vectors. batch_norm_combine.wgsl reads them.
fn store_chunk(chunk: u32, group: u32, n4: u32, mean: vec4<f32>, squares: vec4<f32>) {
  if n4 < N4 {
    let i = (chunk * GROUPS + group) * N4 + n4;
    chunk_mean[i] = mean;
    chunk_squares[i] = squares;
  }
}
