// conv2d, variant subgroup_16x4, kernel 1 of 1: subgroup_rows
// attributes  {"activation":"identity","bias":false,"geometry":{"dilation":[1,1],"groups":1,"padding":[0,0,0,0],"stride":[1,1]}}
// input 0     f32[4, 6, 10, 32]
// input 1     f32[3, 3, 32, 64]
// output 0    f32[4, 4, 8, 64]
// whole op    4718592 FLOP, 137216 bytes of operands
// workgroups  16 x 1 x 1
// binding 0   input 0, read
// binding 1   input 1, read
// binding 2   output 0, write
// called by   step 0, tile_32_64

const BATCH: u32 = 4u;
const IN_H: u32 = 6u;
const IN_W: u32 = 10u;
const IN_C: u32 = 32u;
const KERNEL_H: u32 = 3u;
const KERNEL_W: u32 = 3u;
const OUT_H: u32 = 4u;
const OUT_W: u32 = 8u;
const OUT_C: u32 = 64u;
const GROUP_IN_C: u32 = 32u;
const GROUP_OUT_C: u32 = 64u;
const STRIDE_H: u32 = 1u;
const STRIDE_W: u32 = 1u;
const DILATION_H: u32 = 1u;
const DILATION_W: u32 = 1u;
const PAD_TOP: u32 = 0u;
const PAD_LEFT: u32 = 0u;
const M: u32 = 128u;
const N: u32 = 64u;
const N4: u32 = 16u;
const GROUPS: u32 = 1u;
const TAPS: u32 = 9u;
const TAP_K: u32 = 32u;
const K4: u32 = 72u;
const A_WIDTH: u32 = 4u;
alias A_TYPE = vec4<f32>;
alias B_TYPE = vec4<f32>;
alias Y_TYPE = vec4<f32>;
alias FLOATS = Y_TYPE;
// Bindings of kernels that combine two tensors, without bias.
@group(0) @binding(0) var<storage, read> a: array<A_TYPE>;
@group(0) @binding(1) var<storage, read> b: array<B_TYPE>;
@group(0) @binding(2) var<storage, read_write> y: array<Y_TYPE>;

fn bias_at(channel: u32) -> f32 {
  return 0.0;
}
// x and its derivative.
// Twin: Activation::Identity in src/graph/epilogue.rs.

fn activate(x: f32) -> f32 {
  return x;
}

fn activate_derivative(x: f32, y: f32) -> f32 {
  return 1.0;
}
// Activation of four floats: the vector twin of activation_one.wgsl. FLOATS is vec4<f32>.

fn activate_each(x: FLOATS) -> FLOATS {
  return FLOATS(activate(x.x), activate(x.y), activate(x.z), activate(x.w));
}

fn derivative_each(value: FLOATS) -> FLOATS {
  return FLOATS(
    activate_derivative(value.x, value.x),
    activate_derivative(value.y, value.y),
    activate_derivative(value.z, value.z),
    activate_derivative(value.w, value.w),
  );
}
// Nothing is added to the result: the twin of with_residual.wgsl.
fn with_residual(z: FLOATS, i: u32) -> FLOATS {
  return z;
}
// What follows a product, to whose sum the bias has been added: element `i` of the result is
// f(z + residual[i]). Twin: ProductTail in src/ops/product_tail.rs.
fn tail(z: FLOATS, i: u32) -> FLOATS {
  return activate_each(with_residual(z, i));
}
// Rows of x [BATCH, IN_H, IN_W, IN_C] as those of a product: row m is output pixel m, a tap of the
// window is the channels of one input pixel. Taps in the padding do not exist.

struct Row {
  n: u32,
  // Input pixel of the window's first tap; in the padding it wraps around, far beyond the image.
  y: u32,
  x: u32,
}

// Further from the image than any tap reaches.
const OUTSIDE: u32 = 0x40000000u;

fn row_at(m: u32) -> Row {
  let oy = m / OUT_W % OUT_H;
  let y = select(OUTSIDE, oy * STRIDE_H - PAD_TOP, m < M);
  return Row(m / (OUT_W * OUT_H), y, m % OUT_W * STRIDE_W - PAD_LEFT);
}

fn tap_at(row: Row, tap: u32) -> u32 {
  let y = row.y + tap / KERNEL_W * DILATION_H;
  let x = row.x + tap % KERNEL_W * DILATION_W;
  let inside = y < IN_H && x < IN_W;
  return select(NONE, ((row.n * IN_H + y) * IN_W + x) * (IN_C / A_WIDTH), inside);
}
// The left factor of a product as vectors of four: the elements of a tap come in fours.
// a: rows of TAPS taps of TAP_K / 4 vectors per group, found by row_at and tap_at of the file before.

// Index of a vector of `a`; NONE stands for zeros.
const NONE: u32 = 0xffffffffu;

// Elements 4 * k4 to 4 * k4 + 3 of a row, counted through its taps; zeros behind the end.
fn a_vector(row: Row, group: u32, k4: u32) -> vec4<f32> {
  let tap = tap_at(row, k4 / (TAP_K / 4u));
  let exists = tap != NONE && k4 < TAPS * (TAP_K / 4u);
  let index = tap + group * (TAP_K / 4u) + k4 % (TAP_K / 4u);
  return select(vec4<f32>(), a[select(0u, index, exists)], exists);
}
// The right factor of a product as vectors of four columns. b: [rows, GROUPS * N4] vectors.

// Columns 4 * n4 to 4 * n4 + 3 of a row of b; zeros where the row does not exist.
fn b_vector(row: u32, row_exists: bool, group: u32, n4: u32) -> vec4<f32> {
  let exists = row_exists && n4 < N4;
  return select(vec4<f32>(), b[select(0u, (row * GROUPS + group) * N4 + n4, exists)], exists);
}
// Bias and tail of four adjacent output channels, the first of which is 4 * column4: the vector twin
// of epilogue_one.wgsl. Kernels that finish several rows load the bias once for all of them:
// drivers compile each load, dozens of them in unrolled kernels.
fn bias_of_four(column4: u32) -> vec4<f32> {
  let n = 4u * column4;
  return vec4<f32>(bias_at(n), bias_at(n + 1u), bias_at(n + 2u), bias_at(n + 3u));
}

// Vector `i` of the result.
fn finish(sum: vec4<f32>, column4: u32, i: u32) -> vec4<f32> {
  return tail(sum + bias_of_four(column4), i);
}
// The result of a product as vectors of four columns. y: [rows, GROUPS * N4] vectors.

// The bias of four columns; behind the last ones, theirs.
fn bias_of(group: u32, n4: u32) -> vec4<f32> {
  return bias_of_four(group * N4 + min(n4, N4 - 1u));
}

// Stores tail(sum), where the bias has been added.
fn store(row: u32, group: u32, n4: u32, sum: vec4<f32>) {
  if n4 < N4 {
    let i = (row * GROUPS + group) * N4 + n4;
    y[i] = tail(sum, i);
  }
}
const LANES: u32 = 8u;
const COLUMN_LANES: u32 = 8u;
const ROW_LANES: u32 = 1u;
const M_TILES: u32 = 8u;
const N_TILES: u32 = 2u;
const TILES: u32 = 16u;
// The flat index of a workgroup in a grid that was folded into two or three dimensions.
// Twin: grid in src/graph/kernel.rs. Guard the result with TILES.
fn flat_workgroup(workgroup_id: vec3<u32>, num_workgroups: vec3<u32>) -> u32 {
  return (workgroup_id.z * num_workgroups.y + workgroup_id.y) * num_workgroups.x + workgroup_id.x;
}
// y[m, n] = f(sum_k a[row(m), k] * b[k, n] + bias[n]), for each group; k counts through the taps of
// a row, in vectors of four.
// Operands: see a_*.wgsl, b_vectors.wgsl and y_*.wgsl. One workgroup is one subgroup, whose lanes
// form ROW_LANES rows of COLUMN_LANES; each lane computes some rows of some vectors of columns.
// `main` is generated by src/ops/gemm/subgroup_rows.rs, unrolled over the tile.
// Twins: those of the ops that use it.

fn store_row(m: u32, group: u32, n4: u32, sum: vec4<f32>) {
  if m < M { store(m, group, n4, sum); }
}

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let tile = flat_workgroup(workgroup_id, num_workgroups);
  if tile >= TILES { return; }
  let column_lane = lane % COLUMN_LANES;
  let first_lane = lane - column_lane;
  let m = (tile / N_TILES % M_TILES * ROW_LANES + lane / COLUMN_LANES) * 16u;
  let n = tile % N_TILES * 1u * COLUMN_LANES + column_lane;
  let group = tile / (N_TILES * M_TILES);
  let row0 = row_at(m + 0u);
  let row1 = row_at(m + 1u);
  let row2 = row_at(m + 2u);
  let row3 = row_at(m + 3u);
  let row4 = row_at(m + 4u);
  let row5 = row_at(m + 5u);
  let row6 = row_at(m + 6u);
  let row7 = row_at(m + 7u);
  let row8 = row_at(m + 8u);
  let row9 = row_at(m + 9u);
  let row10 = row_at(m + 10u);
  let row11 = row_at(m + 11u);
  let row12 = row_at(m + 12u);
  let row13 = row_at(m + 13u);
  let row14 = row_at(m + 14u);
  let row15 = row_at(m + 15u);
  let b_column0 = group * N4 + min(n + 0u * COLUMN_LANES, N4 - 1u);
  var y0_0 = vec4<f32>();
  var y1_0 = vec4<f32>();
  var y2_0 = vec4<f32>();
  var y3_0 = vec4<f32>();
  var y4_0 = vec4<f32>();
  var y5_0 = vec4<f32>();
  var y6_0 = vec4<f32>();
  var y7_0 = vec4<f32>();
  var y8_0 = vec4<f32>();
  var y9_0 = vec4<f32>();
  var y10_0 = vec4<f32>();
  var y11_0 = vec4<f32>();
  var y12_0 = vec4<f32>();
  var y13_0 = vec4<f32>();
  var y14_0 = vec4<f32>();
  var y15_0 = vec4<f32>();

  for (var k4 = 0u; k4 < K4; k4 += COLUMN_LANES) {
    let a0 = a_vector(row0, group, k4 + column_lane);
    let a1 = a_vector(row1, group, k4 + column_lane);
    let a2 = a_vector(row2, group, k4 + column_lane);
    let a3 = a_vector(row3, group, k4 + column_lane);
    let a4 = a_vector(row4, group, k4 + column_lane);
    let a5 = a_vector(row5, group, k4 + column_lane);
    let a6 = a_vector(row6, group, k4 + column_lane);
    let a7 = a_vector(row7, group, k4 + column_lane);
    let a8 = a_vector(row8, group, k4 + column_lane);
    let a9 = a_vector(row9, group, k4 + column_lane);
    let a10 = a_vector(row10, group, k4 + column_lane);
    let a11 = a_vector(row11, group, k4 + column_lane);
    let a12 = a_vector(row12, group, k4 + column_lane);
    let a13 = a_vector(row13, group, k4 + column_lane);
    let a14 = a_vector(row14, group, k4 + column_lane);
    let a15 = a_vector(row15, group, k4 + column_lane);

    let sources = min(COLUMN_LANES, K4 - k4);
    for (var source = 0u; source < sources; source += 1u) {
      let k = 4u * (k4 + source);
      let s0 = subgroupShuffle(a0, first_lane + source);
      let s1 = subgroupShuffle(a1, first_lane + source);
      let s2 = subgroupShuffle(a2, first_lane + source);
      let s3 = subgroupShuffle(a3, first_lane + source);
      let s4 = subgroupShuffle(a4, first_lane + source);
      let s5 = subgroupShuffle(a5, first_lane + source);
      let s6 = subgroupShuffle(a6, first_lane + source);
      let s7 = subgroupShuffle(a7, first_lane + source);
      let s8 = subgroupShuffle(a8, first_lane + source);
      let s9 = subgroupShuffle(a9, first_lane + source);
      let s10 = subgroupShuffle(a10, first_lane + source);
      let s11 = subgroupShuffle(a11, first_lane + source);
      let s12 = subgroupShuffle(a12, first_lane + source);
      let s13 = subgroupShuffle(a13, first_lane + source);
      let s14 = subgroupShuffle(a14, first_lane + source);
      let s15 = subgroupShuffle(a15, first_lane + source);
      let b0 = mat4x4<f32>(b[(k + 0u) * GROUPS * N4 + b_column0], b[(k + 1u) * GROUPS * N4 + b_column0], b[(k + 2u) * GROUPS * N4 + b_column0], b[(k + 3u) * GROUPS * N4 + b_column0]);
      y0_0 += b0 * s0;
      y1_0 += b0 * s1;
      y2_0 += b0 * s2;
      y3_0 += b0 * s3;
      y4_0 += b0 * s4;
      y5_0 += b0 * s5;
      y6_0 += b0 * s6;
      y7_0 += b0 * s7;
      y8_0 += b0 * s8;
      y9_0 += b0 * s9;
      y10_0 += b0 * s10;
      y11_0 += b0 * s11;
      y12_0 += b0 * s12;
      y13_0 += b0 * s13;
      y14_0 += b0 * s14;
      y15_0 += b0 * s15;

    }
  }
  let bias0 = bias_of(group, n + 0u * COLUMN_LANES);
  store_row(m + 0u, group, n + 0u * COLUMN_LANES, y0_0 + bias0);
  store_row(m + 1u, group, n + 0u * COLUMN_LANES, y1_0 + bias0);
  store_row(m + 2u, group, n + 0u * COLUMN_LANES, y2_0 + bias0);
  store_row(m + 3u, group, n + 0u * COLUMN_LANES, y3_0 + bias0);
  store_row(m + 4u, group, n + 0u * COLUMN_LANES, y4_0 + bias0);
  store_row(m + 5u, group, n + 0u * COLUMN_LANES, y5_0 + bias0);
  store_row(m + 6u, group, n + 0u * COLUMN_LANES, y6_0 + bias0);
  store_row(m + 7u, group, n + 0u * COLUMN_LANES, y7_0 + bias0);
  store_row(m + 8u, group, n + 0u * COLUMN_LANES, y8_0 + bias0);
  store_row(m + 9u, group, n + 0u * COLUMN_LANES, y9_0 + bias0);
  store_row(m + 10u, group, n + 0u * COLUMN_LANES, y10_0 + bias0);
  store_row(m + 11u, group, n + 0u * COLUMN_LANES, y11_0 + bias0);
  store_row(m + 12u, group, n + 0u * COLUMN_LANES, y12_0 + bias0);
  store_row(m + 13u, group, n + 0u * COLUMN_LANES, y13_0 + bias0);
  store_row(m + 14u, group, n + 0u * COLUMN_LANES, y14_0 + bias0);
  store_row(m + 15u, group, n + 0u * COLUMN_LANES, y15_0 + bias0);
}
