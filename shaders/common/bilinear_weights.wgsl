// Enlarging a line of `inputs` elements by a whole factor, linearly between centers of elements. Places are
// counted from the center of element 0, in parts of which 2 factor lie between two centers, so that they are
// whole numbers. Twin: center_of, inputs_of, outputs_of and weight_of in src/ops/resize/bilinear.rs.

// Place of the center of output o; beyond the outer centers, that of the nearest.
fn center_of(o: u32, inputs: u32, factor: u32) -> u32 {
  return min(max(2u * o + 1u, factor) - factor, 2u * factor * (inputs - 1u));
}

// Inputs [begin, end) that output o is made of: those less than one element away.
fn inputs_of(o: u32, inputs: u32, factor: u32) -> vec2<u32> {
  let center = center_of(o, inputs, factor);
  let begin = center / (2u * factor);
  let end = begin + 1u + min(center % (2u * factor), 1u);
  return vec2<u32>(begin, end);
}

// Outputs [begin, end) that input i is part of.
fn outputs_of(i: u32, inputs: u32, factor: u32) -> vec2<u32> {
  let begin = factor * (max(i, 1u) - 1u) + (factor - 1u) / 2u + 1u;
  let end = factor * (i + 1u) + factor / 2u;
  return vec2<u32>(select(begin, 0u, i == 0u), min(end, factor * inputs));
}

// The part of input i in output o, which it is part of, times 2 factor.
fn weight_of(o: u32, i: u32, inputs: u32, factor: u32) -> f32 {
  let center = center_of(o, inputs, factor);
  let place = 2u * factor * i;
  return f32(2u * factor - (max(center, place) - min(center, place)));
}
