// Sums of squares that neither overflow nor vanish: numbers are sorted into three ranges, and
// those of the outer ones are scaled by a power of two before they are squared.
// Source: Blue, "A Portable Fortran Program to Find the Euclidean Norm of a Vector", 1978.

// Magnitudes above 2^48 are large, infinities and NaN too; those below 2^-50 are small.
const LARGE_BITS: u32 = 0x57800000u;
const SMALL_BITS: u32 = 0x26800000u;
// 2^-80: the square of the largest float is 2^96, of which 2^30 can be added.
const LARGE_SCALE: f32 = 8.271806125530277e-25;
// 2^90: the square of the smallest normal float is 2^-72.
const SMALL_SCALE: f32 = 1.2379400392853803e27;

var<workgroup> shared_sums: array<vec3<f32>, WORKGROUP_SIZE>;

// Sums over the workgroup, in the order of a binary tree; to be called in uniform control flow.
// The result is valid in invocation 0.
fn workgroup_sum(local_index: u32, sums: vec3<f32>) -> vec3<f32> {
  shared_sums[local_index] = sums;
  // Orders the writes of this level before the reads of the next.
  workgroupBarrier();
  for (var half = WORKGROUP_SIZE / 2u; half > 0u; half /= 2u) {
    if local_index < half {
      shared_sums[local_index] += shared_sums[local_index + half];
    }
    workgroupBarrier();
  }
  return shared_sums[0];
}
