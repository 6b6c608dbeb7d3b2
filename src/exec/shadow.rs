//! The shadow executor: a GPU and the reference in lock-step, compared after every step.

use std::sync::Arc;

use bytemuck::pod_collect_to_vec;

use super::{
    Audits, CpuExecutor, DeviceInfo, Divergence, ExecError, Executor, GpuExecutor, KeepAudits,
    ProgramId, ReadTicket, RunProfile,
};
use crate::compile::{AuditCounts, Picks, Program, Step};
use crate::graph::Caps;
use crate::tensor::compare_scaled;
use crate::tensor::half::as_f64;

/// Runs every step on a GPU and by reference code and compares the outputs.
///
/// Each step starts from the GPU's tensors on both sides, so that a divergence is the fault of the
/// step that is named, not of rounding that grew over the steps before.
#[derive(Debug)]
pub struct ShadowExecutor {
    gpu: GpuExecutor,
    cpu: CpuExecutor,
    programs: Vec<(ProgramId, ProgramId, Arc<Program>)>,
    runs: u64,
}

impl ShadowExecutor {
    /// Puts the reference beside a GPU that has loaded nothing yet.
    pub fn new(gpu: GpuExecutor) -> Self {
        Self { gpu, cpu: CpuExecutor::reference(), programs: Vec::new(), runs: 0 }
    }

    fn run_once(&mut self, id: ProgramId) -> Result<(), ExecError> {
        let (on_gpu, on_cpu, program) = self.programs[id.0].clone();
        for (index, step) in program.steps.iter().enumerate() {
            for operand in step.inputs.iter().chain(&step.outputs) {
                let bytes = self.gpu.read_buffer(on_gpu, operand.region.buffer)?;
                self.cpu.overwrite(on_cpu, operand.region.buffer, &bytes);
            }
            self.cpu.run_step(on_cpu, index);
            self.gpu.run_step(on_gpu, index)?;
            self.compare_step(id, index)?;
        }
        self.runs += 1;
        Ok(())
    }

    /// The magnitude that a sum over `n` products of a step's operands reaches on its way, by the
    /// root mean squares of the operands. Gradients behind a batch norm sum to nearly zero, so that
    /// the result does not show it.
    fn term_scale(&self, on_cpu: ProgramId, step: &Step, n: usize) -> f64 {
        if n < 2 {
            return 0.0;
        }
        let floats = step.inputs.iter().filter(|operand| operand.ty.dtype.is_float());
        let squares = floats.map(|operand| {
            let values = as_f64(self.cpu.words(on_cpu, operand), &operand.ty);
            let sum: f64 = values.iter().map(|value| value.powi(2)).sum();
            #[expect(clippy::cast_precision_loss, reason = "a length, far below 2^53")]
            let count = values.len().max(1) as f64;
            sum / count
        });
        #[expect(clippy::cast_precision_loss, reason = "a length, far below 2^53")]
        let n = n as f64;
        (n * squares.product::<f64>()).sqrt()
    }

    fn compare_step(&mut self, id: ProgramId, index: usize) -> Result<(), ExecError> {
        let (on_gpu, on_cpu, program) = self.programs[id.0].clone();
        let step = &program.steps[index];
        let sig = step.signature();
        let tolerance = step.op.tolerance(&sig, &step.variant);
        let scale = self.term_scale(on_cpu, step, tolerance.reduction_len);
        for (output, operand) in step.outputs.iter().enumerate() {
            let bytes = self.gpu.read_buffer(on_gpu, operand.region.buffer)?;
            let range = operand.region.offset..operand.region.offset + operand.region.bytes;
            let got: Vec<u32> = pod_collect_to_vec(&bytes[range]);
            let expected = as_f64(self.cpu.words(on_cpu, operand), &operand.ty);
            let got = as_f64(&got, &operand.ty);
            let tolerance = tolerance.stored_as(operand.ty.dtype);
            compare_scaled(&expected, &got, tolerance, scale).map_err(|mismatch| {
                ExecError::Diverged(Box::new(Divergence {
                    device: self.gpu.info().name.clone(),
                    run: self.runs,
                    step: index,
                    scope: step.scope.clone(),
                    op: step.op.title(),
                    variant: step.variant.clone(),
                    output,
                    mismatch: mismatch.to_string(),
                }))
            })?;
        }
        Ok(())
    }
}

impl Executor for ShadowExecutor {
    fn info(&self) -> &DeviceInfo {
        self.gpu.info()
    }

    fn caps(&self) -> &Caps {
        self.gpu.caps()
    }

    fn picks(&self) -> &Picks {
        self.gpu.picks()
    }

    fn pin(&mut self, picks: Picks) {
        self.gpu.pin(picks);
    }

    fn know(&mut self, audits: Audits, keep: KeepAudits) {
        self.gpu.know(audits, keep);
    }

    fn audit_counts(&self) -> AuditCounts {
        self.gpu.audit_counts()
    }

    fn load(&mut self, program: Arc<Program>) -> Result<ProgramId, ExecError> {
        let on_gpu = self.gpu.load(program.clone())?;
        let on_cpu = self.cpu.load(program.clone())?;
        self.programs.push((on_gpu, on_cpu, program));
        Ok(ProgramId(self.programs.len() - 1))
    }

    fn write(&mut self, buffer: &str, offset: usize, bytes: &[u8]) -> Result<(), ExecError> {
        self.gpu.write(buffer, offset, bytes)
    }

    fn run(&mut self, program: ProgramId, steps: u32) -> Result<(), ExecError> {
        (0..steps).try_for_each(|_| self.run_once(program))
    }

    fn read(&mut self, buffer: &str) -> Result<ReadTicket, ExecError> {
        self.gpu.read(buffer)
    }

    fn wait(&mut self) -> Result<(), ExecError> {
        self.gpu.wait()
    }

    fn unload_all(&mut self) {
        self.gpu.unload_all();
        self.cpu.unload_all();
        self.programs.clear();
    }

    /// Times the GPU, without a comparison.
    fn profile(&mut self, program: ProgramId) -> Result<RunProfile, ExecError> {
        let (on_gpu, ..) = self.programs[program.0];
        self.gpu.profile(on_gpu)
    }

    fn tensor_bytes(&self) -> usize {
        self.gpu.tensor_bytes()
    }

    fn allocations(&self) -> usize {
        self.gpu.allocations()
    }
}
