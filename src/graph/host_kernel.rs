//! How one node runs fast on the CPU: a function beside the reference, and its scratch memory.

use std::fmt;
use std::sync::Arc;

use super::HostIo;

/// Runs an op on its operands with scratch memory.
type Run = dyn Fn(&mut HostIo<'_, f32>, &mut [f32]) + Send + Sync;

/// One fast way to run an op on the CPU.
///
/// It computes what the op's reference computes, within the op's tolerance, and gives the same bits
/// whatever the number of threads: it may split work only into blocks whose sizes do not depend on
/// it. The contract test checks both. Outputs and scratch memory hold anything at the start, except
/// for outputs that take an input's place.
#[derive(Clone)]
pub struct HostKernel {
    /// Name of the variant, unique within the op.
    pub variant: &'static str,
    /// Scratch memory, in elements.
    pub scratch: usize,
    run: Arc<Run>,
}

impl HostKernel {
    /// A variant without scratch memory.
    pub fn new(
        variant: &'static str,
        run: impl Fn(&mut HostIo<'_, f32>, &mut [f32]) + Send + Sync + 'static,
    ) -> Self {
        Self { variant, scratch: 0, run: Arc::new(run) }
    }

    /// Asks for `elements` of scratch memory.
    #[must_use]
    pub fn with_scratch(self, elements: usize) -> Self {
        Self { scratch: elements, ..self }
    }

    /// Runs the kernel. `scratch` has the size that it asks for.
    pub fn run(&self, io: &mut HostIo<'_, f32>, scratch: &mut [f32]) {
        (self.run)(io, scratch);
    }
}

impl fmt::Debug for HostKernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostKernel({}, {} elements of scratch)", self.variant, self.scratch)
    }
}
