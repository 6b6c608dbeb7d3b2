//! Which op of a program makes the first number that is none, and whose fault that is.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytemuck::pod_collect_to_vec;

use super::{CpuExecutor, ExecError, Executor, ProgramId};
use crate::compile::{OperandAt, Program, Role, Step};
use crate::tensor::half::as_f64;

/// An element of an op's output that is NaN or infinite, while all that earlier ops wrote is finite.
#[derive(Debug, Clone, PartialEq)]
pub struct BadNumber {
    /// Step of the program.
    pub step: usize,
    /// Position among the step's outputs.
    pub output: usize,
    /// First bad element of that output.
    pub element: usize,
    /// What the device made there.
    pub value: f64,
    /// What the reference makes of the same operands there.
    pub reference: f64,
}

/// Runs a program once, op by op, up to the first one that writes a NaN or an infinity: none where all
/// numbers are finite.
///
/// # Errors
/// When the device fails, or the host has no memory for the reference.
pub fn first_bad_number(
    executor: &mut dyn Executor,
    id: ProgramId,
    program: &Arc<Program>,
) -> Result<Option<BadNumber>, ExecError> {
    for (index, step) in program.steps.iter().enumerate() {
        let before = contents(executor, id, step)?;
        executor.run_step(id, index)?;
        let mut bad = None;
        for (output, operand) in step.outputs.iter().enumerate() {
            let bytes = executor.read_buffer(id, operand.region.buffer)?;
            if let Some((element, value)) = first_bad(&bytes, operand) {
                bad = Some((output, element, value));
                break;
            }
        }
        if let Some((output, element, value)) = bad {
            let mut cpu = CpuExecutor::reference();
            let on_cpu = cpu.load(program.clone())?;
            before.iter().for_each(|(buffer, bytes)| cpu.overwrite(on_cpu, *buffer, bytes));
            cpu.run_one(on_cpu, index);
            let operand = &step.outputs[output];
            let reference = as_f64(cpu.words(on_cpu, operand), &operand.ty)[element];
            return Ok(Some(BadNumber { step: index, output, element, value, reference }));
        }
    }
    Ok(None)
}

/// The first float of the states that a program starts from which is none: its operand and position.
///
/// # Errors
/// When the device fails.
pub fn bad_state<'a>(
    executor: &mut dyn Executor,
    id: ProgramId,
    program: &'a Program,
) -> Result<Option<(&'a OperandAt, usize)>, ExecError> {
    let mut written = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for step in &program.steps {
        for operand in &step.inputs {
            let place = (operand.region.buffer, operand.region.offset);
            let is_state = program.buffers[operand.region.buffer].role == Role::State;
            if is_state && !written.contains(&operand.region.buffer) && seen.insert(place) {
                let bytes = executor.read_buffer(id, operand.region.buffer)?;
                if let Some((element, _)) = first_bad(&bytes, operand) {
                    return Ok(Some((operand, element)));
                }
            }
        }
        written.extend(step.outputs.iter().map(|operand| operand.region.buffer));
    }
    Ok(None)
}

/// The buffers of a step's operands, as they are.
fn contents(
    executor: &mut dyn Executor,
    id: ProgramId,
    step: &Step,
) -> Result<Vec<(usize, Vec<u8>)>, ExecError> {
    let operands = step.inputs.iter().chain(&step.outputs);
    let buffers: BTreeSet<usize> = operands.map(|operand| operand.region.buffer).collect();
    buffers.into_iter().map(|buffer| Ok((buffer, executor.read_buffer(id, buffer)?))).collect()
}

/// The first element of an operand that is no number, where it holds floats.
fn first_bad(buffer: &[u8], operand: &OperandAt) -> Option<(usize, f64)> {
    if !operand.ty.dtype.is_float() {
        return None;
    }
    let range = operand.region.offset..operand.region.offset + operand.region.bytes;
    let words: Vec<u32> = pod_collect_to_vec(&buffer[range]);
    as_f64(&words, &operand.ty).into_iter().enumerate().find(|(_, value)| !value.is_finite())
}
