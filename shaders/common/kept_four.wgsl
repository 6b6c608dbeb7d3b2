// Which of the elements 4 i to 4 i + 3 dropout keeps: they share one draw of common/philox.wgsl.
// Twin: Dropout in src/ops/elementwise/dropout/mod.rs.

fn kept(i: u32, stream: u32, step: u32, key: vec2<u32>, rate: f32) -> FLAGS {
  let words = philox4x32(vec4<u32>(i, stream, step, 0u), key);
  let uniform_numbers = FLOATS(
    uniform_from(words.x),
    uniform_from(words.y),
    uniform_from(words.z),
    uniform_from(words.w),
  );
  return uniform_numbers >= FLOATS(rate);
}
