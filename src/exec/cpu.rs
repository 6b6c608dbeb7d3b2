//! The CPU executor: replays a program by host kernels and reference code, parallel over cores.

use std::sync::Arc;
use std::time::Instant;

use bytemuck::{cast_slice, cast_slice_mut};

use super::buffers::Buffers;
use super::{
    Clock, DeviceInfo, DeviceSpan, ExecError, Executor, ProgramId, ReadTicket, RunProfile,
};
use crate::compile::{Buffer, OperandAt, Picks, Program, Step};
use crate::graph::{Caps, HostIo, HostKernel, run_on_words};
use crate::tensor::TensorType;

/// Runs every step by its op's first host kernel, or by its reference code. Needs no GPU and no
/// driver.
#[derive(Debug)]
pub struct CpuExecutor {
    info: DeviceInfo,
    caps: Caps,
    picks: Picks,
    /// Whether reference code runs even where there are host kernels.
    reference_only: bool,
    /// Buffers as 32-bit words.
    buffers: Buffers<Vec<u32>>,
    programs: Vec<LoadedProgram>,
    /// Scratch memory of host kernels: as much as the largest one needs.
    scratch: Vec<f32>,
}

#[derive(Debug)]
struct LoadedProgram {
    program: Arc<Program>,
    /// The host kernel of each step; none where reference code runs.
    kernels: Vec<Option<HostKernel>>,
    /// Position among the executor's buffers, by position in the program.
    buffers: Vec<usize>,
}

impl Default for CpuExecutor {
    fn default() -> Self {
        Self::new()
    }
}

impl CpuExecutor {
    /// An executor without programs that runs host kernels where ops have them.
    pub fn new() -> Self {
        Self::with_info(DeviceInfo::cpu(), false)
    }

    /// An executor without programs that runs reference code only: slow, and right by definition.
    pub fn reference() -> Self {
        Self::with_info(DeviceInfo::cpu_reference(), true)
    }

    fn with_info(info: DeviceInfo, reference_only: bool) -> Self {
        // Nothing is bound on a CPU, so tensors may be as large as memory; f16 is widened.
        let caps = Caps {
            f16: true,
            max_binding_bytes: u64::MAX,
            max_buffer_bytes: u64::MAX,
            kernels: false,
            ..Caps::webgpu_default()
        };
        Self {
            info,
            caps,
            picks: Picks::default(),
            reference_only,
            buffers: Buffers::default(),
            programs: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Runs one step of a program.
    pub(super) fn run_one(&mut self, program: ProgramId, index: usize) {
        self.programs[program.0].run_step(index, self.buffers.all_mut(), &mut self.scratch);
    }

    /// The words of an operand of a program.
    pub(super) fn words(&self, program: ProgramId, operand: &OperandAt) -> &[u32] {
        let buffer = self.programs[program.0].buffers[operand.region.buffer];
        let first = operand.region.offset / 4;
        &self.buffers.all()[buffer][first..first + operand.region.bytes / 4]
    }

    /// Replaces an operand of a program.
    pub(super) fn replace(&mut self, program: ProgramId, operand: &OperandAt, words: &[u32]) {
        let buffer = self.programs[program.0].buffers[operand.region.buffer];
        let first = operand.region.offset / 4;
        let content = &mut self.buffers.all_mut()[buffer][first..first + words.len()];
        content.copy_from_slice(words);
    }

    /// Replaces the content of a buffer of a program.
    pub(super) fn overwrite(&mut self, program: ProgramId, buffer: usize, bytes: &[u8]) {
        let index = self.programs[program.0].buffers[buffer];
        let content: &mut [u8] = cast_slice_mut(&mut self.buffers.all_mut()[index]);
        content.copy_from_slice(bytes);
    }

    /// The host kernel of each step, and scratch memory that is large enough for all of them.
    fn kernels(&mut self, program: &Program) -> Result<Vec<Option<HostKernel>>, ExecError> {
        if self.reference_only {
            return Ok(vec![None; program.steps.len()]);
        }
        let first = |step: &Step| step.op.host_kernels(&step.signature()).into_iter().next();
        let kernels: Vec<Option<HostKernel>> = program.steps.iter().map(first).collect();
        let most = kernels.iter().flatten().map(|kernel| kernel.scratch).max().unwrap_or(0);
        if most > self.scratch.len() {
            let bytes = program.total_bytes() + most * size_of::<f32>();
            self.scratch = zeros(&self.info.name, most, bytes)?;
        }
        Ok(kernels)
    }
}

impl Executor for CpuExecutor {
    fn info(&self) -> &DeviceInfo {
        &self.info
    }

    fn caps(&self) -> &Caps {
        &self.caps
    }

    fn picks(&self) -> &Picks {
        &self.picks
    }

    fn pin(&mut self, picks: Picks) {
        self.picks = picks;
    }

    fn load(&mut self, program: Arc<Program>) -> Result<ProgramId, ExecError> {
        let bytes = |buffer: &Vec<u32>| buffer.len() * size_of::<u32>();
        let (device, needed) = (&self.info.name, program.total_bytes());
        let allocate = |buffer: &Buffer| zeros(device, buffer.bytes / size_of::<u32>(), needed);
        let map = self.buffers.resolve(&program, bytes, allocate)?;
        let kernels = self.kernels(&program)?;
        self.programs.push(LoadedProgram { program, kernels, buffers: map });
        Ok(ProgramId(self.programs.len() - 1))
    }

    fn write(&mut self, buffer: &str, offset: usize, bytes: &[u8]) -> Result<(), ExecError> {
        let index = self.buffers.find(buffer)?;
        let content: &mut [u8] = cast_slice_mut(&mut self.buffers.all_mut()[index]);
        let size = content.len();
        let given = bytes.len();
        content
            .get_mut(offset..offset + given)
            .ok_or_else(|| ExecError::BufferSize { name: buffer.to_owned(), size, offset, given })?
            .copy_from_slice(bytes);
        Ok(())
    }

    fn run(&mut self, program: ProgramId, steps: u32) -> Result<(), ExecError> {
        let loaded = &self.programs[program.0];
        for _ in 0..steps {
            for index in 0..loaded.program.steps.len() {
                loaded.run_step(index, self.buffers.all_mut(), &mut self.scratch);
            }
        }
        Ok(())
    }

    fn run_step(&mut self, program: ProgramId, step: usize) -> Result<(), ExecError> {
        self.run_one(program, step);
        Ok(())
    }

    fn read_buffer(&mut self, program: ProgramId, buffer: usize) -> Result<Vec<u8>, ExecError> {
        let index = self.programs[program.0].buffers[buffer];
        Ok(cast_slice(&self.buffers.all()[index]).to_vec())
    }

    fn read(&mut self, buffer: &str) -> Result<ReadTicket, ExecError> {
        let index = self.buffers.find(buffer)?;
        Ok(ReadTicket::ready(cast_slice(&self.buffers.all()[index]).to_vec()))
    }

    fn wait(&mut self) -> Result<(), ExecError> {
        Ok(())
    }

    fn unload_all(&mut self) {
        self.buffers.clear();
        self.programs.clear();
        self.scratch = Vec::new();
    }

    fn tensor_bytes(&self) -> usize {
        self.buffers.all().iter().map(|buffer| buffer.len() * 4).sum()
    }

    fn allocations(&self) -> usize {
        self.buffers.all().len() + usize::from(!self.scratch.is_empty())
    }

    fn profile(&mut self, program: ProgramId) -> Result<RunProfile, ExecError> {
        let steps = self.programs[program.0].program.steps.len();
        let begin = Instant::now();
        let mut device = Vec::with_capacity(steps);
        for step in 0..steps {
            let start = begin.elapsed().as_secs_f64();
            self.run_one(program, step);
            let seconds = begin.elapsed().as_secs_f64() - start;
            device.push(DeviceSpan { step, dispatch: 0, start, seconds });
        }
        Ok(RunProfile { clock: Clock::Host, host: Vec::new(), device })
    }
}

/// A buffer of zeros; `needed` is what the whole program needs, in bytes.
fn zeros<T: Clone + Default>(
    device: &str,
    words: usize,
    needed: usize,
) -> Result<Vec<T>, ExecError> {
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(words).map_err(|_| ExecError::OutOfMemory {
        device: device.to_owned(),
        what: "allocating tensors".to_owned(),
        needed,
    })?;
    buffer.resize(words, T::default());
    Ok(buffer)
}

impl LoadedProgram {
    fn run_step(&self, index: usize, buffers: &mut [Vec<u32>], scratch: &mut [f32]) {
        let step = &self.program.steps[index];
        with_operands(step, &self.buffers, buffers, |io| match &self.kernels[index] {
            Some(kernel) => kernel.run(io, &mut scratch[..kernel.scratch]),
            None => step.op.reference(io),
        });
    }
}

/// Takes the buffers that a step writes out of the list, lends slices to `run`, puts them back.
fn with_operands(
    step: &Step,
    map: &[usize],
    buffers: &mut [Vec<u32>],
    run: impl FnOnce(&mut HostIo<'_, f32>),
) {
    let mut written: Vec<usize> = step.outputs.iter().map(|o| map[o.region.buffer]).collect();
    written.sort_unstable();
    written.dedup();
    let mut taken: Vec<(usize, Vec<u32>)> =
        written.iter().map(|&index| (index, std::mem::take(&mut buffers[index]))).collect();

    let aliased = |input: usize| step.op.aliases().iter().any(|&(_, i)| i == input);
    let inputs = step.inputs.iter().enumerate().map(|(i, operand)| {
        let words: &[u32] = if aliased(i) {
            &[]
        } else {
            let first = operand.region.offset / 4;
            &buffers[map[operand.region.buffer]][first..first + operand.region.bytes / 4]
        };
        (words, &operand.ty)
    });
    let inputs: Vec<(&[u32], &TensorType)> = inputs.collect();
    let outputs = output_slices(step, map, &mut taken)
        .into_iter()
        .zip(&step.outputs)
        .map(|(words, operand)| (words, &operand.ty))
        .collect();
    run_on_words(&inputs, outputs, run);
    for (index, buffer) in taken {
        buffers[index] = buffer;
    }
}

/// Disjoint slices for the outputs of a step, some of which may lie in one buffer.
fn output_slices<'a>(
    step: &Step,
    map: &[usize],
    taken: &'a mut [(usize, Vec<u32>)],
) -> Vec<&'a mut [u32]> {
    let mut slices: Vec<Option<&mut [u32]>> = step.outputs.iter().map(|_| None).collect();
    for (index, buffer) in taken {
        let mut here: Vec<usize> = (0..step.outputs.len())
            .filter(|&o| map[step.outputs[o].region.buffer] == *index)
            .collect();
        here.sort_by_key(|&o| step.outputs[o].region.offset);
        let mut rest: &mut [u32] = buffer;
        let mut start = 0;
        for o in here {
            let region = step.outputs[o].region;
            let (_, tail) = rest.split_at_mut(region.offset / 4 - start);
            let (slice, tail) = tail.split_at_mut(region.bytes / 4);
            start = (region.offset + region.bytes) / 4;
            rest = tail;
            slices[o] = Some(slice);
        }
    }
    slices.into_iter().map(|slice| slice.expect("each output lies in a taken buffer")).collect()
}
