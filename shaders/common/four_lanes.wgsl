// One invocation handles four neighboring floats: the vector twin of one_lane.wgsl.

// All bits of a float but its sign.
const MAGNITUDE_MASK: u32 = 0x7fffffffu;

alias Element = vec4<f32>;
alias Index = vec4<u32>;

// Positions in the flat tensor of the elements that invocation `i` handles.
fn lane_index(i: u32) -> Index {
  return Index(4u * i) + Index(0u, 1u, 2u, 3u);
}

fn sum_lanes(x: Element) -> f32 {
  return (x.x + x.y) + (x.z + x.w);
}

// The bits without the sign: they order like magnitudes, infinity and then NaN come last.
fn magnitude_bits(x: Element) -> Index {
  return bitcast<Index>(x) & Index(MAGNITUDE_MASK);
}
