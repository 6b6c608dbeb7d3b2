//! How large the terms are of which a step of a program makes its results.
//!
//! The rounding errors of a sum grow with the terms that are added, not with what is left of them: a
//! gradient behind a batch norm sums to nearly zero. So the reference runs a few more times on operands
//! whose elements are larger or smaller by a small random part. By how much the results move is the root
//! of the sum of the squared terms, whatever the op, and whatever its operands have to do with each other.

use super::{CpuExecutor, ProgramId};
use crate::compile::{OperandAt, Program, Step};
use crate::tensor::half::{as_f64, narrow};
use crate::tensor::rng::philox4x32;
use crate::tensor::{DType, TensorType};

/// Part by which elements of f32 are changed: far above what the reference rounds its results to, far below
/// what would bend a function.
const PART_OF_F32: f64 = 1.0 / 1024.0;
/// The same of f16, which has 11 bits.
const PART_OF_F16: f64 = 1.0 / 64.0;
/// Fewest changes from which a mean is taken, over samples and elements of an output.
const FEWEST: usize = 64;

/// The sum of the magnitudes of the terms of an element, for each output of a step: what bounds the
/// errors of its sums (Higham and Mary, 2019). It is at most the root of the number of terms times the root
/// of the sum of their squares, of which the mean over the elements of the output is taken.
///
/// `contents` are the buffers of the step's operands as it finds them. What the reference makes of them is
/// what stays in the buffers.
pub(super) fn term_scales(
    cpu: &mut CpuExecutor,
    id: ProgramId,
    (program, index): (&Program, usize),
    contents: &[(usize, Vec<u8>)],
) -> Vec<f64> {
    let step = &program.steps[index];
    let restore = |cpu: &mut CpuExecutor| {
        contents.iter().for_each(|(buffer, bytes)| cpu.overwrite(id, *buffer, bytes));
    };
    let exact = outputs(cpu, id, step);
    let fewest = exact.iter().map(Vec::len).filter(|&len| len > 0).min().unwrap_or(FEWEST);
    let samples = FEWEST.div_ceil(fewest);
    let mut squares = vec![0.0; exact.len()];
    let key = u32::try_from(index).unwrap_or(u32::MAX);
    for sample in (0..).take(samples) {
        restore(cpu);
        let part = change(cpu, id, step, [key, sample]);
        cpu.run_one(id, index);
        for ((sum, exact), moved) in squares.iter_mut().zip(&exact).zip(outputs(cpu, id, step)) {
            *sum += mean_square(exact, &moved) / part.powi(2);
        }
    }
    restore(cpu);
    cpu.run_one(id, index);
    let terms = step.op.tolerance(&step.signature(), &step.variant).reduction_len;
    #[expect(clippy::cast_precision_loss, reason = "lengths, far below 2^53")]
    let factor = terms as f64 / samples as f64;
    squares.into_iter().map(|sum| (factor * sum).sqrt()).collect()
}

fn outputs(cpu: &CpuExecutor, id: ProgramId, step: &Step) -> Vec<Vec<f64>> {
    step.outputs.iter().map(|operand| as_f64(cpu.words(id, operand), &operand.ty)).collect()
}

/// The mean of squared differences, of what is finite.
fn mean_square(exact: &[f64], moved: &[f64]) -> f64 {
    let squares = exact.iter().zip(moved).map(|(a, b)| (a - b).powi(2));
    let finite: Vec<f64> = squares.filter(|square| square.is_finite()).collect();
    #[expect(clippy::cast_precision_loss, reason = "a length, far below 2^53")]
    let count = finite.len().max(1) as f64;
    finite.iter().sum::<f64>() / count
}

/// Changes all floats that a step reads by a part of themselves, up or down; by which part.
fn change(cpu: &mut CpuExecutor, id: ProgramId, step: &Step, key: [u32; 2]) -> f64 {
    let floats = || step.inputs.iter().filter(|operand| operand.ty.dtype.is_float());
    let half = floats().any(|operand| operand.ty.dtype == DType::F16);
    let part = if half { PART_OF_F16 } else { PART_OF_F32 };
    // An operand that is given twice is one tensor.
    let mut changed: Vec<&OperandAt> = Vec::new();
    for (number, operand) in (0..).zip(floats()) {
        if changed.iter().any(|before| before.region == operand.region) {
            continue;
        }
        changed.push(operand);
        let mut values = as_f64(cpu.words(id, operand), &operand.ty);
        for (block, values) in (0..).zip(values.chunks_mut(128)) {
            let words = philox4x32([block, number, 0, 0], key);
            for (i, value) in values.iter_mut().enumerate() {
                let up = words[i / 32] >> (i % 32) & 1 == 1;
                *value *= if up { 1.0 + part } else { 1.0 - part };
            }
        }
        cpu.replace(id, operand, &words_of(&values, &operand.ty));
    }
    part
}

/// Floats as the words that keep them.
fn words_of(values: &[f64], ty: &TensorType) -> Vec<u32> {
    #[expect(clippy::cast_possible_truncation, reason = "they came from f32 or f16")]
    let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
    if ty.dtype == DType::F16 {
        let mut words = vec![0; values.len().div_ceil(2)];
        narrow(&values, &mut words);
        words
    } else {
        values.into_iter().map(f32::to_bits).collect()
    }
}
