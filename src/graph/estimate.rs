//! The time that a GPU is guessed to take for a lowering, and the order of variants that follows.
//!
//! Three things bind a kernel: the multiprocessor that has most workgroups to do, one after another
//! as far as their arithmetic goes; the turns in which those that do not fit at once follow each
//! other, each with its chain of waits for memory; and the bytes of its operands. The longest
//! counts. What it takes to start a kernel comes on top, so that a variant pays for each kernel.
//!
//! The constants below hold for all GPUs that we know closely enough. They were fitted to an H100
//! (`tests/guesses/`), and rounded.

use super::{Caps, DeviceModel, Kernel, Lowering, Signature, Work};

impl Work {
    /// Workgroups that a multiprocessor holds at once.
    pub fn resident(&self, caps: &Caps) -> usize {
        /// Registers of a multiprocessor: 256 KiB.
        const REGISTERS: usize = 1 << 16;
        /// Invocations that it holds.
        const INVOCATIONS: usize = 2048;
        /// Workgroup memory of a multiprocessor, in units of what one workgroup may have.
        const MEMORIES: usize = 4;
        const WORKGROUPS: usize = 32;
        let memory = MEMORIES * caps.max_workgroup_storage as usize;
        let by_registers = REGISTERS / (self.registers * self.invocations).max(1);
        let by_memory = memory / self.workgroup_bytes.max(1);
        let all = by_registers.min(by_memory).min(INVOCATIONS / self.invocations.max(1));
        all.clamp(1, WORKGROUPS)
    }

    /// Workgroups that the device runs at once.
    pub fn at_once(&self, caps: &Caps) -> usize {
        self.resident(caps) * caps.model.processors as usize
    }

    /// Seconds of all workgroups.
    pub fn seconds(&self, caps: &Caps) -> f64 {
        /// Multiply-adds that a multiprocessor does in the time of an access to workgroup memory: it
        /// does 128 multiply-adds in the time of one, and about half of the accesses hide behind them.
        const PER_ACCESS: usize = 64;
        /// Invocations that occupy the arithmetic of a multiprocessor.
        const BUSY: usize = 96;
        /// Seconds until a load from the last cache arrives.
        const LATENCY: f64 = 250e-9;
        /// Waits of a workgroup at its start and end.
        const ENDS: usize = 16;
        let processors = caps.model.processors.max(1);
        let rate = 1e9 * f64::from(caps.model.multiply_adds_per_ns) / f64::from(processors);
        let busy = number(self.multiply_adds + PER_ACCESS * self.accesses) / rate;
        let most = number(self.workgroups.div_ceil(processors as usize));
        let alone = busy * number(BUSY.max(self.invocations)) / number(self.invocations.max(1));
        let turns = number(self.workgroups.div_ceil(self.at_once(caps).max(1)));
        (most * busy).max(turns * (alone + number(self.waits + ENDS) * LATENCY))
    }
}

impl DeviceModel {
    /// Seconds of moving `bytes`, by kernels that do little else: they reach two thirds of a copy.
    pub fn pass_seconds(&self, bytes: usize) -> f64 {
        1.5 * number(bytes) / (1e9 * f64::from(self.bytes_per_ns))
    }

    /// Seconds of a kernel beside what it does.
    pub fn kernel_seconds(&self) -> f64 {
        1e-9 * f64::from(self.kernel_ns)
    }
}

fn number(count: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let count = count as f64;
    count
}

impl Lowering {
    /// Seconds that the lowering is guessed to take on a device with `caps`, for operands of the types
    /// in `sig`; none where no kernel of it tells its work.
    pub fn estimate(&self, sig: &Signature, caps: &Caps) -> Option<f64> {
        let told = self.kernels.iter().any(|kernel| kernel.work.is_some());
        told.then(|| {
            let seconds = |kernel| caps.model.kernel_seconds() + self.seconds(kernel, sig, caps);
            self.kernels.iter().map(seconds).sum()
        })
    }

    /// Seconds of one of its kernels.
    fn seconds(&self, kernel: &Kernel, sig: &Signature, caps: &Caps) -> f64 {
        let moved = kernel.bindings.iter().map(|binding| self.bound_bytes(binding, sig)).sum();
        let work = kernel.work.map_or(0.0, |work| work.seconds(caps));
        work.max(caps.model.pass_seconds(moved))
    }
}

/// Puts the least estimates first on GPUs; lowerings without any stay in their order, behind the
/// others. Software devices keep the whole order: to them the model does not apply, since they run
/// the lanes of a subgroup by one core's vector instructions and nothing hides a load.
pub(super) fn best_first(lowerings: &mut [Lowering], sig: &Signature, caps: &Caps) {
    if !caps.prefers_loops() {
        lowerings.sort_by_cached_key(|lowering| {
            // Positive numbers are ordered as their bits are.
            lowering.estimate(sig, caps).map_or(u64::MAX, f64::to_bits)
        });
    }
}
