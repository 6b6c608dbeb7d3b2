// matmul, variant cooperative_64x64x32_32x32, kernel 1 of 1: cooperative_rows
// attributes  {"activation":"identity","bias":false,"transpose_a":false,"transpose_b":false}
// input 0     f16[64, 16]
// input 1     f32[16, 128]
// output 0    f16[64, 128]
// whole op    262144 FLOP, 26624 bytes of operands
// workgroups  2 x 1 x 1
// binding 0   input 0, read
// binding 1   input 1, read
// binding 2   output 0, write
// called by   step 0, nn_64x16x128_f16_0

enable f16;
enable wgpu_cooperative_matrix;
const M: u32 = 64u;
const N: u32 = 128u;
const N4: u32 = 32u;
const GROUPS: u32 = 1u;
const TAPS: u32 = 1u;
const TAP_K: u32 = 16u;
const K4: u32 = 4u;
const A_WIDTH: u32 = 4u;
alias A_TYPE = vec4<f32>;
alias B_TYPE = vec4<f32>;
alias Y_TYPE = vec4<f32>;
alias FLOATS = Y_TYPE;
// Bindings of kernels that combine two tensors, without bias.
@group(0) @binding(0) var<storage, read> a: array<vec4<f16>>;
@group(0) @binding(1) var<storage, read> b: array<B_TYPE>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f16>>;

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
// Rows of a left factor [M, GROUPS * TAP_K] of a product: one tap of TAP_K elements per group.

alias Row = u32;

fn row_at(m: u32) -> Row {
  return select(NONE, m * (GROUPS * TAP_K / A_WIDTH), m < M);
}

fn tap_at(row: Row, tap: u32) -> u32 {
  return row;
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
  return select(vec4<f32>(), A_TYPE(a[select(0u, index, exists)]), exists);
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
    y[i] = vec4<f16>(tail(sum, i));
  }
}
const TILE_ROWS: u32 = 64u;
const TILE_N4: u32 = 16u;
const TILE_DEPTH: u32 = 32u;
const INVOCATIONS: u32 = 128u;
const BLOCK_ROWS: u32 = 32u;
const WORKERS_N: u32 = 2u;
const K4_PER_SPLIT: u32 = 4u;
const ROW_TILES: u32 = 1u;
const N_TILES: u32 = 2u;
const TILES: u32 = 2u;
// The flat index of a workgroup in a grid that was folded into two or three dimensions.
// Twin: grid in src/graph/kernel.rs. Guard the result with TILES.
fn flat_workgroup(workgroup_id: vec3<u32>, num_workgroups: vec3<u32>) -> u32 {
  return (workgroup_id.z * num_workgroups.y + workgroup_id.y) * num_workgroups.x + workgroup_id.x;
}
alias TILE_VECTOR = vec4<f16>;
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
const SIZE: u32 = 16u;
const LANES: u32 = 32u;
const SUBGROUPS: u32 = 4u;
const SUMS_ROW4: u32 = 8u;
const SUMS_PADDING: u32 = 1u;
const A_ROW4: u32 = 8u;
const A_PITCH: u32 = 10u;
const B_PITCH: u32 = 18u;
const A_STAGE: u32 = 640u;
const B_STAGE: u32 = 576u;
const A_VECTORS: u32 = 1280u;
const B_VECTORS: u32 = 1152u;
alias LEFT = coop_mat16x16<f16, A>;
alias RIGHT = coop_mat16x16<f16, B>;
alias SUMS = coop_mat16x16<f32, C>;
// Products by cooperative matrices of SIZE x SIZE elements, which the LANES of a subgroup hold
// together. Both tiles are f16, and there are two of each, which take turns: stages of A_STAGE and
// B_STAGE vectors. Rows of A_ROW4 and TILE_N4 vectors are padded to A_PITCH and B_PITCH, so that the rows
// of a matrix lie in different banks of workgroup memory.
// See tiled_*.wgsl; `put_b` is in cooperative_b_*.wgsl.

// Vectors of a row of a matrix.
const SIZE4: u32 = SIZE / 4u;
// Vectors of a row of the sums that a subgroup stores at once, SUMS_ROW4, with padding.
const SUMS_PITCH: u32 = SUMS_ROW4 + SUMS_PADDING;
// A few matrices of each subgroup, on the way from sums to the result.
var<workgroup> sums: array<vec4<f32>, SUBGROUPS * SIZE * SUMS_PITCH>;

fn put_a(stage: u32, i: u32, vector: vec4<f32>) {
  tile_a[stage * A_STAGE + i / A_ROW4 * A_PITCH + i % A_ROW4] = vec4<f16>(vector);
}

fn place_in_b(stage: u32, i: u32) -> u32 {
  return stage * B_STAGE + i / TILE_N4 * B_PITCH + i % TILE_N4;
}

// Where the sums of a subgroup start.
fn first_sum(subgroup: u32) -> u32 {
  return subgroup * SIZE * SUMS_PITCH;
}

// Stores the sums of a subgroup, whose place in the result is `first_row` and `first_n4`.
fn store_sums(
  split: u32, first_row: u32, group: u32, first_n4: u32, subgroup: u32, lane: u32,
) {
  for (var i = lane; i < SIZE * SUMS_ROW4; i += LANES) {
    let row = i / SUMS_ROW4;
    let n4 = i % SUMS_ROW4;
    let sum = sums[first_sum(subgroup) + row * SUMS_PITCH + n4] + bias_of(group, first_n4 + n4);
    store_row(split, first_row + row, group, first_n4 + n4, sum);
  }
}
// The tile of a right factor that is stored as f32: the sum of two f16, which is as precise as 22 bits
// down to 2^-24, the smallest f16.

// What the f16 of tile_b lack.
var<workgroup> tile_b_rest: array<vec4<f16>, B_VECTORS>;

fn put_b(stage: u32, i: u32, vector: vec4<f32>) {
  // The bits that an f16 has. By conversion there and back, the compiler may take it for `vector`.
  let leading = bitcast<vec4<f32>>(bitcast<vec4<u32>>(vector) & vec4<u32>(0xffffe000u));
  tile_b[place_in_b(stage, i)] = vec4<f16>(leading);
  tile_b_rest[place_in_b(stage, i)] = vec4<f16>(vector - leading);
}

@compute @workgroup_size(INVOCATIONS)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
  @builtin(subgroup_id) subgroup: u32,
  @builtin(subgroup_invocation_id) lane: u32,
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
  let row = subgroup / WORKERS_N * BLOCK_ROWS;
  let n4 = subgroup % WORKERS_N * (TILE_N4 / WORKERS_N);
  let row0 = row_at(first_row + (local_index + 0u * INVOCATIONS) / DEPTH4);
  let row1 = row_at(first_row + (local_index + 1u * INVOCATIONS) / DEPTH4);
  let row2 = row_at(first_row + (local_index + 2u * INVOCATIONS) / DEPTH4);
  let row3 = row_at(first_row + (local_index + 3u * INVOCATIONS) / DEPTH4);
  var y0_0 = SUMS();
  var y0_1 = SUMS();
  var y1_0 = SUMS();
  var y1_1 = SUMS();
  var next_a0 = vec4<f32>();
  var next_a1 = vec4<f32>();
  var next_a2 = vec4<f32>();
  var next_a3 = vec4<f32>();
  var next_b0 = vec4<f32>();
  var next_b1 = vec4<f32>();
  var next_b2 = vec4<f32>();
  var next_b3 = vec4<f32>();
  let end = min((split + 1u) * K4_PER_SPLIT, K4);
  var at = split * K4_PER_SPLIT;
  var stage = 0u;
    next_a0 = load_a(row0, group, at, end, local_index + 0u * INVOCATIONS);
    next_a1 = load_a(row1, group, at, end, local_index + 1u * INVOCATIONS);
    next_a2 = load_a(row2, group, at, end, local_index + 2u * INVOCATIONS);
    next_a3 = load_a(row3, group, at, end, local_index + 3u * INVOCATIONS);
    next_b0 = load_b(at, end, group, first_n4, local_index + 0u * INVOCATIONS);
    next_b1 = load_b(at, end, group, first_n4, local_index + 1u * INVOCATIONS);
    next_b2 = load_b(at, end, group, first_n4, local_index + 2u * INVOCATIONS);
    next_b3 = load_b(at, end, group, first_n4, local_index + 3u * INVOCATIONS);
    put_a(0u, local_index + 0u * INVOCATIONS, next_a0);
    put_a(0u, local_index + 1u * INVOCATIONS, next_a1);
    put_a(0u, local_index + 2u * INVOCATIONS, next_a2);
    put_a(0u, local_index + 3u * INVOCATIONS, next_a3);
    put_b(0u, local_index + 0u * INVOCATIONS, next_b0);
    put_b(0u, local_index + 1u * INVOCATIONS, next_b1);
    put_b(0u, local_index + 2u * INVOCATIONS, next_b2);
    put_b(0u, local_index + 3u * INVOCATIONS, next_b3);
  workgroupBarrier();
  for (; at < end; at += DEPTH4) {
    // The next tiles arrive while these are multiplied.
    next_a0 = load_a(row0, group, at + DEPTH4, end, local_index + 0u * INVOCATIONS);
    next_a1 = load_a(row1, group, at + DEPTH4, end, local_index + 1u * INVOCATIONS);
    next_a2 = load_a(row2, group, at + DEPTH4, end, local_index + 2u * INVOCATIONS);
    next_a3 = load_a(row3, group, at + DEPTH4, end, local_index + 3u * INVOCATIONS);
    next_b0 = load_b(at + DEPTH4, end, group, first_n4, local_index + 0u * INVOCATIONS);
    next_b1 = load_b(at + DEPTH4, end, group, first_n4, local_index + 1u * INVOCATIONS);
    next_b2 = load_b(at + DEPTH4, end, group, first_n4, local_index + 2u * INVOCATIONS);
    next_b3 = load_b(at + DEPTH4, end, group, first_n4, local_index + 3u * INVOCATIONS);
    for (var k = 0u; k < TILE_DEPTH; k += SIZE) {
      let a0 = coopLoadT<LEFT>(&tile_a[stage * A_STAGE + (row + 0u * SIZE) * A_PITCH + k / 4u], A_PITCH);
      let a1 = coopLoadT<LEFT>(&tile_a[stage * A_STAGE + (row + 1u * SIZE) * A_PITCH + k / 4u], A_PITCH);
      let tile_b0 = coopLoadT<RIGHT>(&tile_b[stage * B_STAGE + k * B_PITCH + n4 + 0u * SIZE4], B_PITCH);
      y0_0 = coopMultiplyAdd(a0, tile_b0, y0_0);
      y1_0 = coopMultiplyAdd(a1, tile_b0, y1_0);
      let tile_b1 = coopLoadT<RIGHT>(&tile_b[stage * B_STAGE + k * B_PITCH + n4 + 1u * SIZE4], B_PITCH);
      y0_1 = coopMultiplyAdd(a0, tile_b1, y0_1);
      y1_1 = coopMultiplyAdd(a1, tile_b1, y1_1);
      let tile_b_rest0 = coopLoadT<RIGHT>(&tile_b_rest[stage * B_STAGE + k * B_PITCH + n4 + 0u * SIZE4], B_PITCH);
      y0_0 = coopMultiplyAdd(a0, tile_b_rest0, y0_0);
      y1_0 = coopMultiplyAdd(a1, tile_b_rest0, y1_0);
      let tile_b_rest1 = coopLoadT<RIGHT>(&tile_b_rest[stage * B_STAGE + k * B_PITCH + n4 + 1u * SIZE4], B_PITCH);
      y0_1 = coopMultiplyAdd(a0, tile_b_rest1, y0_1);
      y1_1 = coopMultiplyAdd(a1, tile_b_rest1, y1_1);
    }
    put_a((1u - stage), local_index + 0u * INVOCATIONS, next_a0);
    put_a((1u - stage), local_index + 1u * INVOCATIONS, next_a1);
    put_a((1u - stage), local_index + 2u * INVOCATIONS, next_a2);
    put_a((1u - stage), local_index + 3u * INVOCATIONS, next_a3);
    put_b((1u - stage), local_index + 0u * INVOCATIONS, next_b0);
    put_b((1u - stage), local_index + 1u * INVOCATIONS, next_b1);
    put_b((1u - stage), local_index + 2u * INVOCATIONS, next_b2);
    put_b((1u - stage), local_index + 3u * INVOCATIONS, next_b3);
    // The next stage is complete, and all invocations have read this one.
    workgroupBarrier();
    stage = 1u - stage;
  }
  workgroupBarrier();
  coopStoreT(y0_0, &sums[first_sum(subgroup) + 0u * SIZE4], SUMS_PITCH);
  coopStoreT(y0_1, &sums[first_sum(subgroup) + 1u * SIZE4], SUMS_PITCH);
  workgroupBarrier();
  store_sums(split, first_row + row + 0u * SIZE, group, first_n4 + n4 + 0u * SUMS_ROW4, subgroup, lane);
  workgroupBarrier();
  coopStoreT(y1_0, &sums[first_sum(subgroup) + 0u * SIZE4], SUMS_PITCH);
  coopStoreT(y1_1, &sums[first_sum(subgroup) + 1u * SIZE4], SUMS_PITCH);
  workgroupBarrier();
  store_sums(split, first_row + row + 1u * SIZE, group, first_n4 + n4 + 0u * SUMS_ROW4, subgroup, lane);
}
