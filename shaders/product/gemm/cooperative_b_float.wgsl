// The tile of a right factor that is stored as f32: the sum of two f16, which is as precise as 22 bits
// down to 2^-24, the smallest f16.

// What the f16 of tile_b lack.
var<workgroup> tile_b_rest: array<vec4<f16>, B_VECTORS>;

fn put_b(stage: u32, i: u32, vector: vec4<f32>) {
  // The bits that an f16 has. By conversion there and back, the compiler may take it for `vector`.
  let leading = bitcast<vec4<f32>>(bitcast<vec4<u32>>(vector) & vec4<u32>(0xffffe000u));
  tile_b[place_in_b(stage, i)] = vec4<f16>(leading);
  tile_b_rest[place_in_b(stage, i)] = vec4<f16>(vector - leading);
}
