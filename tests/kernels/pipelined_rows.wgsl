// conv2d, variant pipelined_128x64x16_8x8, kernel 1 of 1: pipelined_rows
// attributes  {"activation":"identity","bias":false,"geometry":{"dilation":[1,1],"groups":1,"padding":[0,0,0,0],"stride":[1,1]}}
// input 0     f32[128, 13, 13, 32]
// input 1     f32[3, 3, 32, 64]
// output 0    f32[128, 11, 11, 64]
// whole op    570949632 FLOP, 6807552 bytes of operands
// workgroups  121 x 1 x 1
// binding 0   input 0, read
// binding 1   input 1, read
// binding 2   output 0, write
// called by   step 0, bench_mnist_conv2

const BATCH: u32 = 128u;
const IN_H: u32 = 13u;
const IN_W: u32 = 13u;
const IN_C: u32 = 32u;
const KERNEL_H: u32 = 3u;
const KERNEL_W: u32 = 3u;
const OUT_H: u32 = 11u;
const OUT_W: u32 = 11u;
const OUT_C: u32 = 64u;
const GROUP_IN_C: u32 = 32u;
const GROUP_OUT_C: u32 = 64u;
const STRIDE_H: u32 = 1u;
const STRIDE_W: u32 = 1u;
const DILATION_H: u32 = 1u;
const DILATION_W: u32 = 1u;
const PAD_TOP: u32 = 0u;
const PAD_LEFT: u32 = 0u;
const M: u32 = 15488u;
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
// f(z + residual[i]). Twin: ProductTail in src/ops/product/tail.rs.
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
const TILE_ROWS: u32 = 128u;
const TILE_N4: u32 = 16u;
const TILE_DEPTH: u32 = 16u;
const INVOCATIONS: u32 = 128u;
const BLOCK_ROWS: u32 = 8u;
const WORKERS_N: u32 = 8u;
const K4_PER_SPLIT: u32 = 72u;
const ROW_TILES: u32 = 121u;
const N_TILES: u32 = 1u;
const TILES: u32 = 121u;
// The flat index of a workgroup in a grid that was folded into two or three dimensions.
// Twin: grid in src/graph/kernel.rs. Guard the result with TILES.
fn flat_workgroup(workgroup_id: vec3<u32>, num_workgroups: vec3<u32>) -> u32 {
  return (workgroup_id.z * num_workgroups.y + workgroup_id.y) * num_workgroups.x + workgroup_id.x;
}
alias TILE_VECTOR = vec4<f32>;
// y[split, m, n] = f(sum_k a[row(m), k] * b[k, n] + bias[n]) over the share `split` of the k, for
// each group; k counts through the taps of a row, in vectors of four.
// Operands: see a_*.wgsl, b_*.wgsl and y_*.wgsl. One workgroup computes TILE_ROWS x 4 * TILE_N4
// elements, from tiles of both factors in workgroup memory, TILE_DEPTH terms at a time.
// `main` is generated: for invocations that multiply vectors (tiled.rs and pipelined.rs in
// src/ops/product/gemm), or for subgroups that multiply whole matrices (cooperative.rs).
// Twins: those of the ops that use it.

// Vectors of four terms.
const DEPTH4: u32 = TILE_DEPTH / 4u;
// [TILE_ROWS, DEPTH4], vectors along k.
var<workgroup> tile_a: array<TILE_VECTOR, A_VECTORS>;
// [TILE_DEPTH, TILE_N4], vectors along n.
var<workgroup> tile_b: array<TILE_VECTOR, B_VECTORS>;

// Vector `i` of the tile of `a` whose row has been found; zeros behind the end of the share.
fn load_a(row: Row, group: u32, k4: u32, end: u32, i: u32) -> vec4<f32> {
  let at = k4 + i % DEPTH4;
  return a_vector(row, group, select(K4, at, at < end));
}

// Vector `i` of the tile of `b`; zeros behind the end of the share.
fn load_b(k4: u32, end: u32, group: u32, first_n4: u32, i: u32) -> vec4<f32> {
  let k = 4u * k4 + i / TILE_N4;
  return b_vector(k, k < min(4u * end, TAPS * TAP_K), group, first_n4 + i % TILE_N4);
}

fn store_row(split: u32, m: u32, group: u32, n4: u32, sum: vec4<f32>) {
  if m < M { store(split * M + m, group, n4, sum); }
}
const A_VECTORS: u32 = 1024u;
const B_VECTORS: u32 = 512u;
const WORKERS_M: u32 = 16u;
const TILE_M4: u32 = 32u;
// Two stages of both tiles take turns: tile_a is [2, TILE_DEPTH, TILE_M4], vectors along the rows of
// the result, tile_b is [2, TILE_DEPTH, TILE_N4].
// `main` is generated by src/ops/product/gemm/pipelined.rs. See tiled_*.wgsl.

const A_STAGE: u32 = TILE_DEPTH * TILE_M4;
const B_STAGE: u32 = TILE_DEPTH * TILE_N4;

// Place in tile_a of term `term` of a block of four rows and four terms. Blocks of the same rows follow
// each other: those lanes load whole segments of memory, and store to different banks.
fn turned(stage: u32, block: u32, term: u32) -> u32 {
  const BLOCKS: u32 = TILE_DEPTH / 4u;
  return stage * A_STAGE + (block % BLOCKS * 4u + term) * TILE_M4 + block / BLOCKS;
}

@compute @workgroup_size(INVOCATIONS)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {
  // The grid can hold more workgroups than tiles; all invocations of one leave together. As
  // flat_workgroup: naga, which demands that matrices are multiplied in uniform control flow, takes
  // results of functions for different ones.
  let tile =
    (workgroup_id.z * num_workgroups.y + workgroup_id.y) * num_workgroups.x + workgroup_id.x;
  if tile >= TILES { return; }
  let first_n4 = tile % N_TILES * TILE_N4;
  let first_row = tile / N_TILES % ROW_TILES * TILE_ROWS;
  let group = tile / (N_TILES * ROW_TILES) % GROUPS;
  let split = tile / (N_TILES * ROW_TILES * GROUPS);
  // Where the worker's block lies, in vectors: 4 x 8 neighbors at a time.
  let place = local_index % 32u;
  let m4 = local_index / 32u / (WORKERS_N / 8u) * 4u + place / 8u;
  let n4 = local_index / 32u % (WORKERS_N / 8u) * 8u + place % 8u;
  let row0 = row_at(first_row + 4u * ((local_index + 0u * INVOCATIONS) / DEPTH4) + 0u);
  let row1 = row_at(first_row + 4u * ((local_index + 0u * INVOCATIONS) / DEPTH4) + 1u);
  let row2 = row_at(first_row + 4u * ((local_index + 0u * INVOCATIONS) / DEPTH4) + 2u);
  let row3 = row_at(first_row + 4u * ((local_index + 0u * INVOCATIONS) / DEPTH4) + 3u);
  var y0_0 = vec4<f32>();
  var y0_1 = vec4<f32>();
  var y1_0 = vec4<f32>();
  var y1_1 = vec4<f32>();
  var y2_0 = vec4<f32>();
  var y2_1 = vec4<f32>();
  var y3_0 = vec4<f32>();
  var y3_1 = vec4<f32>();
  var y4_0 = vec4<f32>();
  var y4_1 = vec4<f32>();
  var y5_0 = vec4<f32>();
  var y5_1 = vec4<f32>();
  var y6_0 = vec4<f32>();
  var y6_1 = vec4<f32>();
  var y7_0 = vec4<f32>();
  var y7_1 = vec4<f32>();
  var next0 = vec4<f32>();
  var next1 = vec4<f32>();
  var next2 = vec4<f32>();
  var next3 = vec4<f32>();
  var next4 = vec4<f32>();
  var next5 = vec4<f32>();
  let end = min((split + 1u) * K4_PER_SPLIT, K4);
  var at = split * K4_PER_SPLIT;
  var stage = 0u;
    next0 = load_a(row0, group, at, end, local_index + 0u * INVOCATIONS);
    next1 = load_a(row1, group, at, end, local_index + 0u * INVOCATIONS);
    next2 = load_a(row2, group, at, end, local_index + 0u * INVOCATIONS);
    next3 = load_a(row3, group, at, end, local_index + 0u * INVOCATIONS);
    next4 = load_b(at, end, group, first_n4, local_index + 0u * INVOCATIONS);
    next5 = load_b(at, end, group, first_n4, local_index + 1u * INVOCATIONS);
    tile_a[turned(0u, local_index + 0u * INVOCATIONS, 0u)] = vec4<f32>(next0.x, next1.x, next2.x, next3.x);
    tile_a[turned(0u, local_index + 0u * INVOCATIONS, 1u)] = vec4<f32>(next0.y, next1.y, next2.y, next3.y);
    tile_a[turned(0u, local_index + 0u * INVOCATIONS, 2u)] = vec4<f32>(next0.z, next1.z, next2.z, next3.z);
    tile_a[turned(0u, local_index + 0u * INVOCATIONS, 3u)] = vec4<f32>(next0.w, next1.w, next2.w, next3.w);
    tile_b[0u * B_STAGE + local_index + 0u * INVOCATIONS] = next4;
    tile_b[0u * B_STAGE + local_index + 1u * INVOCATIONS] = next5;
  workgroupBarrier();
  for (; at < end; at += DEPTH4) {
    // The next tiles arrive while these are multiplied.
    next0 = load_a(row0, group, at + DEPTH4, end, local_index + 0u * INVOCATIONS);
    next1 = load_a(row1, group, at + DEPTH4, end, local_index + 0u * INVOCATIONS);
    next2 = load_a(row2, group, at + DEPTH4, end, local_index + 0u * INVOCATIONS);
    next3 = load_a(row3, group, at + DEPTH4, end, local_index + 0u * INVOCATIONS);
    next4 = load_b(at + DEPTH4, end, group, first_n4, local_index + 0u * INVOCATIONS);
    next5 = load_b(at + DEPTH4, end, group, first_n4, local_index + 1u * INVOCATIONS);
    let a_at = stage * A_STAGE + m4;
    let b_at = stage * B_STAGE + n4;
    for (var i = 0u; i < TILE_DEPTH; i += 4u) {
      let a0_0 = tile_a[a_at + (i + 0u) * TILE_M4 + 0u * WORKERS_M];
      let a0_1 = tile_a[a_at + (i + 0u) * TILE_M4 + 1u * WORKERS_M];
      let b0_0 = tile_b[b_at + (i + 0u) * TILE_N4 + 0u * WORKERS_N];
      let b0_1 = tile_b[b_at + (i + 0u) * TILE_N4 + 1u * WORKERS_N];
      y0_0 = fma(vec4<f32>(a0_0.x), b0_0, y0_0);
      y0_1 = fma(vec4<f32>(a0_0.x), b0_1, y0_1);
      y1_0 = fma(vec4<f32>(a0_0.y), b0_0, y1_0);
      y1_1 = fma(vec4<f32>(a0_0.y), b0_1, y1_1);
      y2_0 = fma(vec4<f32>(a0_0.z), b0_0, y2_0);
      y2_1 = fma(vec4<f32>(a0_0.z), b0_1, y2_1);
      y3_0 = fma(vec4<f32>(a0_0.w), b0_0, y3_0);
      y3_1 = fma(vec4<f32>(a0_0.w), b0_1, y3_1);
      y4_0 = fma(vec4<f32>(a0_1.x), b0_0, y4_0);
      y4_1 = fma(vec4<f32>(a0_1.x), b0_1, y4_1);
      y5_0 = fma(vec4<f32>(a0_1.y), b0_0, y5_0);
      y5_1 = fma(vec4<f32>(a0_1.y), b0_1, y5_1);
      y6_0 = fma(vec4<f32>(a0_1.z), b0_0, y6_0);
      y6_1 = fma(vec4<f32>(a0_1.z), b0_1, y6_1);
      y7_0 = fma(vec4<f32>(a0_1.w), b0_0, y7_0);
      y7_1 = fma(vec4<f32>(a0_1.w), b0_1, y7_1);
      let a1_0 = tile_a[a_at + (i + 1u) * TILE_M4 + 0u * WORKERS_M];
      let a1_1 = tile_a[a_at + (i + 1u) * TILE_M4 + 1u * WORKERS_M];
      let b1_0 = tile_b[b_at + (i + 1u) * TILE_N4 + 0u * WORKERS_N];
      let b1_1 = tile_b[b_at + (i + 1u) * TILE_N4 + 1u * WORKERS_N];
      y0_0 = fma(vec4<f32>(a1_0.x), b1_0, y0_0);
      y0_1 = fma(vec4<f32>(a1_0.x), b1_1, y0_1);
      y1_0 = fma(vec4<f32>(a1_0.y), b1_0, y1_0);
      y1_1 = fma(vec4<f32>(a1_0.y), b1_1, y1_1);
      y2_0 = fma(vec4<f32>(a1_0.z), b1_0, y2_0);
      y2_1 = fma(vec4<f32>(a1_0.z), b1_1, y2_1);
      y3_0 = fma(vec4<f32>(a1_0.w), b1_0, y3_0);
      y3_1 = fma(vec4<f32>(a1_0.w), b1_1, y3_1);
      y4_0 = fma(vec4<f32>(a1_1.x), b1_0, y4_0);
      y4_1 = fma(vec4<f32>(a1_1.x), b1_1, y4_1);
      y5_0 = fma(vec4<f32>(a1_1.y), b1_0, y5_0);
      y5_1 = fma(vec4<f32>(a1_1.y), b1_1, y5_1);
      y6_0 = fma(vec4<f32>(a1_1.z), b1_0, y6_0);
      y6_1 = fma(vec4<f32>(a1_1.z), b1_1, y6_1);
      y7_0 = fma(vec4<f32>(a1_1.w), b1_0, y7_0);
      y7_1 = fma(vec4<f32>(a1_1.w), b1_1, y7_1);
      let a2_0 = tile_a[a_at + (i + 2u) * TILE_M4 + 0u * WORKERS_M];
      let a2_1 = tile_a[a_at + (i + 2u) * TILE_M4 + 1u * WORKERS_M];
      let b2_0 = tile_b[b_at + (i + 2u) * TILE_N4 + 0u * WORKERS_N];
      let b2_1 = tile_b[b_at + (i + 2u) * TILE_N4 + 1u * WORKERS_N];
      y0_0 = fma(vec4<f32>(a2_0.x), b2_0, y0_0);
      y0_1 = fma(vec4<f32>(a2_0.x), b2_1, y0_1);
      y1_0 = fma(vec4<f32>(a2_0.y), b2_0, y1_0);
      y1_1 = fma(vec4<f32>(a2_0.y), b2_1, y1_1);
      y2_0 = fma(vec4<f32>(a2_0.z), b2_0, y2_0);
      y2_1 = fma(vec4<f32>(a2_0.z), b2_1, y2_1);
      y3_0 = fma(vec4<f32>(a2_0.w), b2_0, y3_0);
      y3_1 = fma(vec4<f32>(a2_0.w), b2_1, y3_1);
      y4_0 = fma(vec4<f32>(a2_1.x), b2_0, y4_0);
      y4_1 = fma(vec4<f32>(a2_1.x), b2_1, y4_1);
      y5_0 = fma(vec4<f32>(a2_1.y), b2_0, y5_0);
      y5_1 = fma(vec4<f32>(a2_1.y), b2_1, y5_1);
      y6_0 = fma(vec4<f32>(a2_1.z), b2_0, y6_0);
      y6_1 = fma(vec4<f32>(a2_1.z), b2_1, y6_1);
      y7_0 = fma(vec4<f32>(a2_1.w), b2_0, y7_0);
      y7_1 = fma(vec4<f32>(a2_1.w), b2_1, y7_1);
      let a3_0 = tile_a[a_at + (i + 3u) * TILE_M4 + 0u * WORKERS_M];
      let a3_1 = tile_a[a_at + (i + 3u) * TILE_M4 + 1u * WORKERS_M];
      let b3_0 = tile_b[b_at + (i + 3u) * TILE_N4 + 0u * WORKERS_N];
      let b3_1 = tile_b[b_at + (i + 3u) * TILE_N4 + 1u * WORKERS_N];
      y0_0 = fma(vec4<f32>(a3_0.x), b3_0, y0_0);
      y0_1 = fma(vec4<f32>(a3_0.x), b3_1, y0_1);
      y1_0 = fma(vec4<f32>(a3_0.y), b3_0, y1_0);
      y1_1 = fma(vec4<f32>(a3_0.y), b3_1, y1_1);
      y2_0 = fma(vec4<f32>(a3_0.z), b3_0, y2_0);
      y2_1 = fma(vec4<f32>(a3_0.z), b3_1, y2_1);
      y3_0 = fma(vec4<f32>(a3_0.w), b3_0, y3_0);
      y3_1 = fma(vec4<f32>(a3_0.w), b3_1, y3_1);
      y4_0 = fma(vec4<f32>(a3_1.x), b3_0, y4_0);
      y4_1 = fma(vec4<f32>(a3_1.x), b3_1, y4_1);
      y5_0 = fma(vec4<f32>(a3_1.y), b3_0, y5_0);
      y5_1 = fma(vec4<f32>(a3_1.y), b3_1, y5_1);
      y6_0 = fma(vec4<f32>(a3_1.z), b3_0, y6_0);
      y6_1 = fma(vec4<f32>(a3_1.z), b3_1, y6_1);
      y7_0 = fma(vec4<f32>(a3_1.w), b3_0, y7_0);
      y7_1 = fma(vec4<f32>(a3_1.w), b3_1, y7_1);
    }
    tile_a[turned((1u - stage), local_index + 0u * INVOCATIONS, 0u)] = vec4<f32>(next0.x, next1.x, next2.x, next3.x);
    tile_a[turned((1u - stage), local_index + 0u * INVOCATIONS, 1u)] = vec4<f32>(next0.y, next1.y, next2.y, next3.y);
    tile_a[turned((1u - stage), local_index + 0u * INVOCATIONS, 2u)] = vec4<f32>(next0.z, next1.z, next2.z, next3.z);
    tile_a[turned((1u - stage), local_index + 0u * INVOCATIONS, 3u)] = vec4<f32>(next0.w, next1.w, next2.w, next3.w);
    tile_b[(1u - stage) * B_STAGE + local_index + 0u * INVOCATIONS] = next4;
    tile_b[(1u - stage) * B_STAGE + local_index + 1u * INVOCATIONS] = next5;
    // The next stage is complete, and all invocations have read this one.
    workgroupBarrier();
    stage = 1u - stage;
  }
  let bias0 = bias_of(group, first_n4 + n4 + 0u * WORKERS_N);
  let bias1 = bias_of(group, first_n4 + n4 + 1u * WORKERS_N);
  store_row(split, first_row + 4u * (m4 + 0u * WORKERS_M) + 0u, group, first_n4 + n4 + 0u * WORKERS_N, y0_0 + bias0);
  store_row(split, first_row + 4u * (m4 + 0u * WORKERS_M) + 0u, group, first_n4 + n4 + 1u * WORKERS_N, y0_1 + bias1);
  store_row(split, first_row + 4u * (m4 + 0u * WORKERS_M) + 1u, group, first_n4 + n4 + 0u * WORKERS_N, y1_0 + bias0);
  store_row(split, first_row + 4u * (m4 + 0u * WORKERS_M) + 1u, group, first_n4 + n4 + 1u * WORKERS_N, y1_1 + bias1);
  store_row(split, first_row + 4u * (m4 + 0u * WORKERS_M) + 2u, group, first_n4 + n4 + 0u * WORKERS_N, y2_0 + bias0);
  store_row(split, first_row + 4u * (m4 + 0u * WORKERS_M) + 2u, group, first_n4 + n4 + 1u * WORKERS_N, y2_1 + bias1);
  store_row(split, first_row + 4u * (m4 + 0u * WORKERS_M) + 3u, group, first_n4 + n4 + 0u * WORKERS_N, y3_0 + bias0);
  store_row(split, first_row + 4u * (m4 + 0u * WORKERS_M) + 3u, group, first_n4 + n4 + 1u * WORKERS_N, y3_1 + bias1);
  store_row(split, first_row + 4u * (m4 + 1u * WORKERS_M) + 0u, group, first_n4 + n4 + 0u * WORKERS_N, y4_0 + bias0);
  store_row(split, first_row + 4u * (m4 + 1u * WORKERS_M) + 0u, group, first_n4 + n4 + 1u * WORKERS_N, y4_1 + bias1);
  store_row(split, first_row + 4u * (m4 + 1u * WORKERS_M) + 1u, group, first_n4 + n4 + 0u * WORKERS_N, y5_0 + bias0);
  store_row(split, first_row + 4u * (m4 + 1u * WORKERS_M) + 1u, group, first_n4 + n4 + 1u * WORKERS_N, y5_1 + bias1);
  store_row(split, first_row + 4u * (m4 + 1u * WORKERS_M) + 2u, group, first_n4 + n4 + 0u * WORKERS_N, y6_0 + bias0);
  store_row(split, first_row + 4u * (m4 + 1u * WORKERS_M) + 2u, group, first_n4 + n4 + 1u * WORKERS_N, y6_1 + bias1);
  store_row(split, first_row + 4u * (m4 + 1u * WORKERS_M) + 3u, group, first_n4 + n4 + 0u * WORKERS_N, y7_0 + bias0);
  store_row(split, first_row + 4u * (m4 + 1u * WORKERS_M) + 3u, group, first_n4 + n4 + 1u * WORKERS_N, y7_1 + bias1);
}
