// conv2d_weight_grad, variant subgroup_columns_4, kernel 1 of 1: subgroup_columns
// attributes  {"geometry":{"dilation":[1,1],"groups":1,"padding":[0,0,0,0],"stride":[1,1]},"kernel":[3,3]}
// input 0     f32[4, 6, 10, 32]
// input 1     f32[4, 4, 8, 64]
// output 0    f32[3, 3, 32, 64]
// whole op    4718592 FLOP, 137216 bytes of operands
// workgroups  18 x 1 x 1
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
const ROWS_PER_SPLIT: u32 = 128u;
const K_TILES: u32 = 9u;
const N_TILES: u32 = 2u;
const TILES: u32 = 18u;
// The flat index of a workgroup in a grid that was folded into two or three dimensions.
// Twin: grid in src/graph/kernel.rs. Guard the result with TILES.
fn flat_workgroup(workgroup_id: vec3<u32>, num_workgroups: vec3<u32>) -> u32 {
  return (workgroup_id.z * num_workgroups.y + workgroup_id.y) * num_workgroups.x + workgroup_id.x;
}
// y[split, k, n] = f(sum_m a[row(m), k] * b[m, n] + bias[n]) over the rows m of the share `split`,
// for each group; k counts through the taps of a row, in vectors of four.
// Operands: see a_*.wgsl, b_*.wgsl and y_*.wgsl. One workgroup is one subgroup of LANES, whose lanes
// form rows of COLUMN_LANES; each lane computes some vectors of columns for as many k as its row
// of lanes has loaded. `main` is generated by src/ops/gemm/subgroup_columns.rs, unrolled over the
// tile. Twins: those of the ops that use it.

// A row behind the end of the share is one that row_at does not know.
fn row_within(m: u32, end: u32) -> Row {
  return row_at(select(M, m, m < end));
}

fn store_row(split: u32, k: u32, group: u32, n4: u32, sum: vec4<f32>) {
  if k < TAPS * TAP_K { store(split * TAPS * TAP_K + k, group, n4, sum); }
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
  let n = tile % N_TILES * 1u * COLUMN_LANES + column_lane;
  let first_k4 = tile / N_TILES % K_TILES * 1u * LANES;
  let k4 = first_k4 + lane;
  let group = tile / (N_TILES * K_TILES) % GROUPS;
  let split = tile / (N_TILES * K_TILES * GROUPS);
  let end = min((split + 1u) * ROWS_PER_SPLIT, M);
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
  var y16_0 = vec4<f32>();
  var y17_0 = vec4<f32>();
  var y18_0 = vec4<f32>();
  var y19_0 = vec4<f32>();
  var y20_0 = vec4<f32>();
  var y21_0 = vec4<f32>();
  var y22_0 = vec4<f32>();
  var y23_0 = vec4<f32>();
  var y24_0 = vec4<f32>();
  var y25_0 = vec4<f32>();
  var y26_0 = vec4<f32>();
  var y27_0 = vec4<f32>();
  var y28_0 = vec4<f32>();
  var y29_0 = vec4<f32>();
  var y30_0 = vec4<f32>();
  var y31_0 = vec4<f32>();

  for (var m = split * ROWS_PER_SPLIT; m < end; m += 4u) {
    let row0 = row_within(m + 0u, end);
    let a0_0 = a_vector(row0, group, k4 + 0u * LANES);
    let row1 = row_within(m + 1u, end);
    let a1_0 = a_vector(row1, group, k4 + 0u * LANES);
    let row2 = row_within(m + 2u, end);
    let a2_0 = a_vector(row2, group, k4 + 0u * LANES);
    let row3 = row_within(m + 3u, end);
    let a3_0 = a_vector(row3, group, k4 + 0u * LANES);
    let b0 = mat4x4<f32>(b_vector(m + 0u, m + 0u < end, group, n + 0u * COLUMN_LANES), b_vector(m + 1u, m + 1u < end, group, n + 0u * COLUMN_LANES), b_vector(m + 2u, m + 2u < end, group, n + 0u * COLUMN_LANES), b_vector(m + 3u, m + 3u < end, group, n + 0u * COLUMN_LANES));
    let s0_0 = subgroupShuffle(a0_0, first_lane + 0u);
    let s0_1 = subgroupShuffle(a1_0, first_lane + 0u);
    let s0_2 = subgroupShuffle(a2_0, first_lane + 0u);
    let s0_3 = subgroupShuffle(a3_0, first_lane + 0u);
    y0_0 += b0 * vec4<f32>(s0_0.x, s0_1.x, s0_2.x, s0_3.x);
    y1_0 += b0 * vec4<f32>(s0_0.y, s0_1.y, s0_2.y, s0_3.y);
    y2_0 += b0 * vec4<f32>(s0_0.z, s0_1.z, s0_2.z, s0_3.z);
    y3_0 += b0 * vec4<f32>(s0_0.w, s0_1.w, s0_2.w, s0_3.w);
    let s1_0 = subgroupShuffle(a0_0, first_lane + 1u);
    let s1_1 = subgroupShuffle(a1_0, first_lane + 1u);
    let s1_2 = subgroupShuffle(a2_0, first_lane + 1u);
    let s1_3 = subgroupShuffle(a3_0, first_lane + 1u);
    y4_0 += b0 * vec4<f32>(s1_0.x, s1_1.x, s1_2.x, s1_3.x);
    y5_0 += b0 * vec4<f32>(s1_0.y, s1_1.y, s1_2.y, s1_3.y);
    y6_0 += b0 * vec4<f32>(s1_0.z, s1_1.z, s1_2.z, s1_3.z);
    y7_0 += b0 * vec4<f32>(s1_0.w, s1_1.w, s1_2.w, s1_3.w);
    let s2_0 = subgroupShuffle(a0_0, first_lane + 2u);
    let s2_1 = subgroupShuffle(a1_0, first_lane + 2u);
    let s2_2 = subgroupShuffle(a2_0, first_lane + 2u);
    let s2_3 = subgroupShuffle(a3_0, first_lane + 2u);
    y8_0 += b0 * vec4<f32>(s2_0.x, s2_1.x, s2_2.x, s2_3.x);
    y9_0 += b0 * vec4<f32>(s2_0.y, s2_1.y, s2_2.y, s2_3.y);
    y10_0 += b0 * vec4<f32>(s2_0.z, s2_1.z, s2_2.z, s2_3.z);
    y11_0 += b0 * vec4<f32>(s2_0.w, s2_1.w, s2_2.w, s2_3.w);
    let s3_0 = subgroupShuffle(a0_0, first_lane + 3u);
    let s3_1 = subgroupShuffle(a1_0, first_lane + 3u);
    let s3_2 = subgroupShuffle(a2_0, first_lane + 3u);
    let s3_3 = subgroupShuffle(a3_0, first_lane + 3u);
    y12_0 += b0 * vec4<f32>(s3_0.x, s3_1.x, s3_2.x, s3_3.x);
    y13_0 += b0 * vec4<f32>(s3_0.y, s3_1.y, s3_2.y, s3_3.y);
    y14_0 += b0 * vec4<f32>(s3_0.z, s3_1.z, s3_2.z, s3_3.z);
    y15_0 += b0 * vec4<f32>(s3_0.w, s3_1.w, s3_2.w, s3_3.w);
    let s4_0 = subgroupShuffle(a0_0, first_lane + 4u);
    let s4_1 = subgroupShuffle(a1_0, first_lane + 4u);
    let s4_2 = subgroupShuffle(a2_0, first_lane + 4u);
    let s4_3 = subgroupShuffle(a3_0, first_lane + 4u);
    y16_0 += b0 * vec4<f32>(s4_0.x, s4_1.x, s4_2.x, s4_3.x);
    y17_0 += b0 * vec4<f32>(s4_0.y, s4_1.y, s4_2.y, s4_3.y);
    y18_0 += b0 * vec4<f32>(s4_0.z, s4_1.z, s4_2.z, s4_3.z);
    y19_0 += b0 * vec4<f32>(s4_0.w, s4_1.w, s4_2.w, s4_3.w);
    let s5_0 = subgroupShuffle(a0_0, first_lane + 5u);
    let s5_1 = subgroupShuffle(a1_0, first_lane + 5u);
    let s5_2 = subgroupShuffle(a2_0, first_lane + 5u);
    let s5_3 = subgroupShuffle(a3_0, first_lane + 5u);
    y20_0 += b0 * vec4<f32>(s5_0.x, s5_1.x, s5_2.x, s5_3.x);
    y21_0 += b0 * vec4<f32>(s5_0.y, s5_1.y, s5_2.y, s5_3.y);
    y22_0 += b0 * vec4<f32>(s5_0.z, s5_1.z, s5_2.z, s5_3.z);
    y23_0 += b0 * vec4<f32>(s5_0.w, s5_1.w, s5_2.w, s5_3.w);
    let s6_0 = subgroupShuffle(a0_0, first_lane + 6u);
    let s6_1 = subgroupShuffle(a1_0, first_lane + 6u);
    let s6_2 = subgroupShuffle(a2_0, first_lane + 6u);
    let s6_3 = subgroupShuffle(a3_0, first_lane + 6u);
    y24_0 += b0 * vec4<f32>(s6_0.x, s6_1.x, s6_2.x, s6_3.x);
    y25_0 += b0 * vec4<f32>(s6_0.y, s6_1.y, s6_2.y, s6_3.y);
    y26_0 += b0 * vec4<f32>(s6_0.z, s6_1.z, s6_2.z, s6_3.z);
    y27_0 += b0 * vec4<f32>(s6_0.w, s6_1.w, s6_2.w, s6_3.w);
    let s7_0 = subgroupShuffle(a0_0, first_lane + 7u);
    let s7_1 = subgroupShuffle(a1_0, first_lane + 7u);
    let s7_2 = subgroupShuffle(a2_0, first_lane + 7u);
    let s7_3 = subgroupShuffle(a3_0, first_lane + 7u);
    y28_0 += b0 * vec4<f32>(s7_0.x, s7_1.x, s7_2.x, s7_3.x);
    y29_0 += b0 * vec4<f32>(s7_0.y, s7_1.y, s7_2.y, s7_3.y);
    y30_0 += b0 * vec4<f32>(s7_0.z, s7_1.z, s7_2.z, s7_3.z);
    y31_0 += b0 * vec4<f32>(s7_0.w, s7_1.w, s7_2.w, s7_3.w);
  }
  let bias0 = bias_of(group, n + 0u * COLUMN_LANES);
  store_row(split, 4u * (first_k4 + first_lane + 0u * LANES + 0u) + 0u, group, n + 0u * COLUMN_LANES, y0_0 + bias0);
  store_row(split, 4u * (first_k4 + first_lane + 0u * LANES + 0u) + 1u, group, n + 0u * COLUMN_LANES, y1_0 + bias0);
  store_row(split, 4u * (first_k4 + first_lane + 0u * LANES + 0u) + 2u, group, n + 0u * COLUMN_LANES, y2_0 + bias0);
  store_row(split, 4u * (first_k4 + first_lane + 0u * LANES + 0u) + 3u, group, n + 0u * COLUMN_LANES, y3_0 + bias0);
  store_row(split, 4u * (first_k4 + first_lane + 0u * LANES + 1u) + 0u, group, n + 0u * COLUMN_LANES, y4_0 + bias0);
  store_row(split, 4u * (first_k4 + first_lane + 0u * LANES + 1u) + 1u, group, n + 0u * COLUMN_LANES, y5_0 + bias0);
  store_row(split, 4u * (first_k4 + first_lane + 0u * LANES + 1u) + 2u, group, n + 0u * COLUMN_LANES, y6_0 + bias0);
  store_row(split, 4u * (first_k4 + first_lane + 0u * LANES + 1u) + 3u, group, n + 0u * COLUMN_LANES, y7_0 + bias0);
  store_row(split, 4u * (first_k4 + first_lane + 0u * LANES + 2u) + 0u, group, n + 0u * COLUMN_LANES, y8_0 + bias0);
  store_row(split, 4u * (first_k4 + first_lane + 0u * LANES + 2u) + 1u, group, n + 0u * COLUMN_LANES, y9_0 + bias0);
  store_row(split, 4u * (first_k4 + first_lane + 0u * LANES + 2u) + 2u, group, n + 0u * COLUMN_LANES, y10_0 + bias0);
  store_row(split, 4u * (first_k4 + first_lane + 0u * LANES + 2u) + 3u, group, n + 0u * COLUMN_LANES, y11_0 + bias0);
  store_row(split, 4u * (first_k4 + first_lane + 0u * LANES + 3u) + 0u, group, n + 0u * COLUMN_LANES, y12_0 + bias0);
  store_row(split, 4u * (first_k4 + first_lane + 0u * LANES + 3u) + 1u, group, n + 0u * COLUMN_LANES, y13_0 + bias0);
  store_row(split, 4u * (first_k4 + first_lane + 0u * LANES + 3u) + 2u, group, n + 0u * COLUMN_LANES, y14_0 + bias0);
  store_row(split, 4u * (first_k4 + first_lane + 0u * LANES + 3u) + 3u, group, n + 0u * COLUMN_LANES, y15_0 + bias0);
  store_row(split, 4u * (first_k4 + first_lane + 0u * LANES + 4u) + 0u, group, n + 0u * COLUMN_LANES, y16_0 + bias0);
  store_row(split, 4u * (first_k4 + first_lane + 0u * LANES + 4u) + 1u, group, n + 0u * COLUMN_LANES, y17_0 + bias0);
  store_row(split, 4u * (first_k4 + first_lane + 0u * LANES + 4u) + 2u, group, n + 0u * COLUMN_LANES, y18_0 + bias0);
  store_row(split, 4u * (first_k4 + first_lane + 0u * LANES + 4u) + 3u, group, n + 0u * COLUMN_LANES, y19_0 + bias0);
  store_row(split, 4u * (first_k4 + first_lane + 0u * LANES + 5u) + 0u, group, n + 0u * COLUMN_LANES, y20_0 + bias0);
  store_row(split, 4u * (first_k4 + first_lane + 0u * LANES + 5u) + 1u, group, n + 0u * COLUMN_LANES, y21_0 + bias0);
  store_row(split, 4u * (first_k4 + first_lane + 0u * LANES + 5u) + 2u, group, n + 0u * COLUMN_LANES, y22_0 + bias0);
  store_row(split, 4u * (first_k4 + first_lane + 0u * LANES + 5u) + 3u, group, n + 0u * COLUMN_LANES, y23_0 + bias0);
  store_row(split, 4u * (first_k4 + first_lane + 0u * LANES + 6u) + 0u, group, n + 0u * COLUMN_LANES, y24_0 + bias0);
  store_row(split, 4u * (first_k4 + first_lane + 0u * LANES + 6u) + 1u, group, n + 0u * COLUMN_LANES, y25_0 + bias0);
  store_row(split, 4u * (first_k4 + first_lane + 0u * LANES + 6u) + 2u, group, n + 0u * COLUMN_LANES, y26_0 + bias0);
  store_row(split, 4u * (first_k4 + first_lane + 0u * LANES + 6u) + 3u, group, n + 0u * COLUMN_LANES, y27_0 + bias0);
  store_row(split, 4u * (first_k4 + first_lane + 0u * LANES + 7u) + 0u, group, n + 0u * COLUMN_LANES, y28_0 + bias0);
  store_row(split, 4u * (first_k4 + first_lane + 0u * LANES + 7u) + 1u, group, n + 0u * COLUMN_LANES, y29_0 + bias0);
  store_row(split, 4u * (first_k4 + first_lane + 0u * LANES + 7u) + 2u, group, n + 0u * COLUMN_LANES, y30_0 + bias0);
  store_row(split, 4u * (first_k4 + first_lane + 0u * LANES + 7u) + 3u, group, n + 0u * COLUMN_LANES, y31_0 + bias0);
}
