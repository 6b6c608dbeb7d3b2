// The tile of a right factor that is stored as f16.

fn put_b(stage: u32, i: u32, vector: vec4<f32>) {
  tile_b[place_in_b(stage, i)] = vec4<f16>(vector);
}
