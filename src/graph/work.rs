//! What a kernel has to do, as its author tells it.

/// What a kernel has to do, where its arithmetic or its waits can take longer than the moving of
/// its operands. The unit of work is one multiply-add of one invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// Workgroups.
    pub workgroups: usize,
    /// Invocations of each.
    pub invocations: usize,
    /// Registers of an invocation, of 32 bits.
    pub registers: usize,
    /// Bytes of workgroup memory of each workgroup.
    pub workgroup_bytes: usize,
    /// Multiply-adds of a workgroup, and instructions beside them: all its invocations together.
    pub multiply_adds: usize,
    /// Times that a subgroup of a workgroup reads [`Work::ACCESS_BYTES`] of workgroup memory.
    pub accesses: usize,
    /// Times that an invocation waits for memory, one after another.
    pub waits: usize,
}

impl Work {
    /// Bytes that the workgroup memory of a multiprocessor gives at once: 32 banks of four.
    pub const ACCESS_BYTES: usize = 128;
    /// Instructions, in multiply-adds, of finding the place of an element in a buffer and loading it.
    pub const PER_LOAD: usize = 32;
    /// Registers that hold indices and the like.
    pub const INDEX_REGISTERS: usize = 24;

    /// Of invocations that each load `loads` elements or vectors, one after another, and do little
    /// more with them.
    pub fn of_loads(invocations: usize, workgroup: usize, loads: usize) -> Self {
        Self {
            workgroups: invocations.div_ceil(workgroup),
            invocations: workgroup,
            registers: 2 * Self::INDEX_REGISTERS,
            workgroup_bytes: 0,
            multiply_adds: workgroup * loads * Self::PER_LOAD,
            accesses: 0,
            // The two factors of a product are loaded together.
            waits: loads / 2,
        }
    }
}
