//! The shadow executor: a GPU and the reference in lock-step, compared after every step.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytemuck::pod_collect_to_vec;

use super::sensitivity::term_scales;
use super::{
    Audits, CpuExecutor, DeviceInfo, Divergence, ExecError, Executor, GpuExecutor, KeepAudits,
    ProgramId, ReadTicket, RunProfile,
};
use crate::compile::{AuditCounts, Picks, Program};
use crate::graph::Caps;
use crate::tensor::half::as_f64;
use crate::tensor::{Tolerance, compare, compare_scaled};

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
            let operands = step.inputs.iter().chain(&step.outputs);
            let buffers: BTreeSet<usize> = operands.map(|operand| operand.region.buffer).collect();
            let read = |buffer| Ok((buffer, self.gpu.read_buffer(on_gpu, buffer)?));
            let contents: Vec<(usize, Vec<u8>)> =
                buffers.into_iter().map(read).collect::<Result<_, ExecError>>()?;
            contents.iter().for_each(|(buffer, bytes)| self.cpu.overwrite(on_cpu, *buffer, bytes));
            self.cpu.run_one(on_cpu, index);
            self.gpu.run_step(on_gpu, index)?;
            self.compare_step(id, index, &contents)?;
        }
        self.runs += 1;
        Ok(())
    }

    /// Compares the outputs of a step, which found `contents` in its buffers.
    fn compare_step(
        &mut self,
        id: ProgramId,
        index: usize,
        contents: &[(usize, Vec<u8>)],
    ) -> Result<(), ExecError> {
        let (on_gpu, on_cpu, program) = self.programs[id.0].clone();
        let step = &program.steps[index];
        let tolerance = step.op.tolerance(&step.signature(), &step.variant);
        let mut scales: Option<Vec<f64>> = None;
        for (output, operand) in step.outputs.iter().enumerate() {
            let bytes = self.gpu.read_buffer(on_gpu, operand.region.buffer)?;
            let range = operand.region.offset..operand.region.offset + operand.region.bytes;
            let got: Vec<u32> = pod_collect_to_vec(&bytes[range]);
            let expected = as_f64(self.cpu.words(on_cpu, operand), &operand.ty);
            let got = as_f64(&got, &operand.ty);
            let tolerance = tolerance.stored_as(operand.ty.dtype);
            let mut agrees = compare(&expected, &got, tolerance);
            if agrees.is_err() && (tolerance.reduction_len > 1 || tolerance.absolute_ulps > 0.0) {
                // The terms of which a result is made may be far larger than what is left of them.
                let scales = scales.get_or_insert_with(|| {
                    term_scales(&mut self.cpu, on_cpu, (&program, index), contents)
                });
                // Absolute errors are those of terms around one.
                let absolute_ulps = tolerance.absolute_ulps * scales[output].max(1.0);
                let tolerance = Tolerance { absolute_ulps, ..tolerance };
                agrees = compare_scaled(&expected, &got, tolerance, scales[output]);
            }
            agrees.map_err(|mismatch| {
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

    fn run_step(&mut self, program: ProgramId, step: usize) -> Result<(), ExecError> {
        let (on_gpu, ..) = self.programs[program.0];
        self.gpu.run_step(on_gpu, step)
    }

    fn read_buffer(&mut self, program: ProgramId, buffer: usize) -> Result<Vec<u8>, ExecError> {
        let (on_gpu, ..) = self.programs[program.0];
        self.gpu.read_buffer(on_gpu, buffer)
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
