// The same gradient as max_pool2d_grad.wgsl where windows lie side by side (stride = window): each
// position belongs to one window, or to none at the lower and right edge.
// index, dy: [N, OH, OW, C]; dx: [N, H, W, C], C in groups of FLOATS.
// One invocation computes the channels of one group at all positions of one window, of which there
// are TILES_H x TILES_W with those at the edges that have no output; it reads dy and index once.
// Twin: MaxPool2dGrad in src/ops/pool/max.rs.

@group(0) @binding(0) var<storage, read> index: array<WORDS>;
@group(0) @binding(1) var<storage, read> dy: array<FLOATS>;
@group(0) @binding(2) var<storage, read_write> dx: array<FLOATS>;

// No element of a window has this position.
const NOWHERE: u32 = KH * KW;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS { return; }
  let group = i % GROUPS;
  let ox = i / GROUPS % TILES_W;
  let oy = i / (GROUPS * TILES_W) % TILES_H;
  let n = i / (GROUPS * TILES_W * TILES_H);

  var winner = WORDS(NOWHERE);
  var gradient = FLOATS(0.0);
  if oy < OH && ox < OW {
    let o = ((n * OH + oy) * OW + ox) * GROUPS + group;
    winner = index[o];
    gradient = dy[o];
  }
  for (var ky = 0u; ky < KH; ky += 1u) {
    // Rows of the padding wrap around to numbers far above H.
    let iy = oy * KH + ky - TOP;
    if iy < H {
      for (var kx = 0u; kx < KW; kx += 1u) {
        let ix = ox * KW + kx - LEFT;
        if ix < W {
          let hit = winner == WORDS(ky * KW + kx);
          dx[((n * H + iy) * W + ix) * GROUPS + group] = select(FLOATS(0.0), gradient, hit);
        }
      }
    }
  }
}
