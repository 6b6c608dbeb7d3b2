// One invocation handles one float: the scalar twin of four_lanes.wgsl.

// All bits of a float but its sign.
const MAGNITUDE_MASK: u32 = 0x7fffffffu;

alias Element = f32;
alias Index = u32;

// Position in the flat tensor of the element that invocation `i` handles.
fn lane_index(i: u32) -> Index {
  return i;
}

fn sum_lanes(x: Element) -> f32 {
  return x;
}

// The bits without the sign: they order like magnitudes, infinity and then NaN come last.
fn magnitude_bits(x: Element) -> Index {
  return bitcast<Index>(x) & Index(MAGNITUDE_MASK);
}
