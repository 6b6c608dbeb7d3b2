// The tile of a right factor that is stored as f16.

fn put_b(i: u32, vector: vec4<f32>) {
  tile_b[place_in_b(i)] = vec4<f16>(vector);
}
