// Whether dropout keeps element i, by its word of the draw that four neighbors share: the scalar
// twin of kept_four.wgsl. Uses common/philox.wgsl.
// Twin: Dropout in src/ops/elementwise/dropout/mod.rs.

fn kept(i: u32, stream: u32, step: u32, key: vec2<u32>, rate: f32) -> FLAGS {
  var words = philox4x32(vec4<u32>(i / 4u, stream, step, 0u), key);
  return uniform_from(words[i % 4u]) >= rate;
}
