// y = (smallest, largest) subgroup size that the invocations of one workgroup see.
// x: u32[1], not used; y: u32[2]. One workgroup runs.
// Twin: Caps::subgroup_size, as the driver states it.

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;

var<workgroup> smallest: atomic<u32>;
var<workgroup> largest: atomic<u32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(local_invocation_index) local_index: u32,
  @builtin(subgroup_size) subgroup_size: u32,
) {
  if local_index == 0u {
    atomicStore(&smallest, 0xffffffffu);
    atomicStore(&largest, 0u);
  }
  // Orders the first values before the updates.
  workgroupBarrier();
  atomicMin(&smallest, subgroup_size);
  atomicMax(&largest, subgroup_size);
  // Orders the updates before the result is read.
  workgroupBarrier();
  if local_index == 0u {
    y[0] = atomicLoad(&smallest);
    y[1] = atomicLoad(&largest);
  }
}
