// A tensor of the shape of the result that is added to it.

@group(0) @binding(6) var<storage, read> residual: array<FLOATS>;

fn residual_at(i: u32) -> FLOATS {
  return residual[i];
}
