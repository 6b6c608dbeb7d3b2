//! Floor 4: executors replay a [`Program`] on a device: the CPU by host kernels, a GPU by its
//! lowerings, or a GPU and the reference in lock-step.

mod audits;
mod bad_number;
mod buffers;
mod cpu;
mod device;
mod error;
mod evaluate;
pub mod gpu;
mod info;
mod options;
mod profile;
mod race;
mod sensitivity;
mod shadow;
mod ticket;

use std::sync::Arc;

use crate::compile::{AuditCounts, Picks, Program};
use crate::graph::Caps;

pub use audits::{Audit, Audits, KeepAudits};
pub use bad_number::{BadNumber, bad_state, first_bad_number};
pub use cpu::CpuExecutor;
pub use device::{DeviceChoice, Judge, Opened, open, open_gpu, open_gpu_with, open_judged};
pub use error::{Divergence, ExecError};
pub use evaluate::evaluate;
pub use gpu::GpuExecutor;
pub use info::DeviceInfo;
pub use options::{DeviceOptions, PlantedFaults};
pub use profile::{Clock, DeviceSpan, HostPhase, HostSpan, RunProfile};
pub use race::{Verdict, race};
pub use shadow::ShadowExecutor;
pub use ticket::ReadTicket;

/// A program that an executor has loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProgramId(pub(crate) usize);

/// Replays programs on one device.
///
/// Buffers are addressed by name: a state by the name that the programs share it under, an output or an
/// arena as `program/name`. New buffers hold zeros. Everything is allocated by [`Executor::load`].
pub trait Executor {
    /// The device, in words.
    fn info(&self) -> &DeviceInfo;

    /// What the device offers to kernels.
    fn caps(&self) -> &Caps;

    /// The variants that programs for this device are compiled with.
    fn picks(&self) -> &Picks;

    /// Replaces the variants that programs compiled from now on use, the model of the device where they
    /// hold one, and which kernels are compiled with checks.
    fn pin(&mut self, picks: Picks);

    /// Takes what earlier audits told of kernels on this device; `keep` is told what later ones add.
    /// Without it, every kernel is audited once.
    fn know(&mut self, _audits: Audits, _keep: KeepAudits) {}

    /// What audits told of the kernels that were loaded so far.
    fn audit_counts(&self) -> AuditCounts {
        AuditCounts::default()
    }

    /// Allocates a program's buffers and makes its pipelines. States that are known already are
    /// shared.
    ///
    /// # Errors
    /// When a state is known with another size, a kernel is rejected, or memory is short.
    fn load(&mut self, program: Arc<Program>) -> Result<ProgramId, ExecError>;

    /// Makes the pipelines of programs ahead of loading them, several at once where the device allows
    /// it, and tells for each program how many seconds each of its kernels took: none for one that was
    /// there already. A kernel that the driver rejects is rejected again by [`Self::load`].
    fn prepare(&mut self, programs: &[Program]) -> Vec<Vec<f64>> {
        programs.iter().map(|program| vec![0.0; program.kernels.len()]).collect()
    }

    /// Writes into a state; seen by all runs that are started later.
    ///
    /// # Errors
    /// When there is no such buffer, or the bytes do not fit.
    fn write(&mut self, buffer: &str, offset: usize, bytes: &[u8]) -> Result<(), ExecError>;

    /// Starts a program `steps` times in a row, without waiting for the result.
    ///
    /// # Errors
    /// When the device reports an error, which can stem from an earlier call.
    fn run(&mut self, program: ProgramId, steps: u32) -> Result<(), ExecError>;

    /// Runs one step of a program, an op: to look at what it writes.
    ///
    /// # Errors
    /// When the device reports an error.
    fn run_step(&mut self, program: ProgramId, step: usize) -> Result<(), ExecError>;

    /// Reads a buffer of a program by its position, whatever its role, and waits for it.
    ///
    /// # Errors
    /// When the device reports an error.
    fn read_buffer(&mut self, program: ProgramId, buffer: usize) -> Result<Vec<u8>, ExecError>;

    /// Asks for the content of a state or an output, as left by all runs started so far; never
    /// waits.
    ///
    /// # Errors
    /// When there is no such buffer.
    fn read(&mut self, buffer: &str) -> Result<ReadTicket, ExecError>;

    /// Waits until all runs have finished.
    ///
    /// # Errors
    /// When the device reports an error.
    fn wait(&mut self) -> Result<(), ExecError>;

    /// Frees all programs and buffers; pipelines stay cached.
    fn unload_all(&mut self);

    /// Number of device buffers allocated so far: must not grow while a program runs.
    fn allocations(&self) -> usize;

    /// Bytes of the buffers that hold the tensors of all loaded programs; read-back buffers are
    /// not counted.
    fn tensor_bytes(&self) -> usize;

    /// Runs a program once, waits, and says where the time went. The run computes what
    /// [`Self::run`] computes; executors that cannot tell steps apart give no spans.
    ///
    /// # Errors
    /// When the device reports an error.
    fn profile(&mut self, program: ProgramId) -> Result<RunProfile, ExecError> {
        self.run(program, 1)?;
        self.wait()?;
        Ok(RunProfile { clock: Clock::Host, host: Vec::new(), device: Vec::new() })
    }

    /// Seconds that the host has spent so far in encoding and submitting runs, without waiting.
    fn host_seconds(&self) -> f64 {
        0.0
    }

    /// Reads a buffer and waits for it.
    ///
    /// # Errors
    /// When there is no such buffer, or the device reports an error.
    fn read_now(&mut self, buffer: &str) -> Result<Vec<u8>, ExecError> {
        self.read(buffer)?.wait()
    }
}
