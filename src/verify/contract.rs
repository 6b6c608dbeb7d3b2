//! The contract of a lowering: it computes what the reference computes, writes every element of its
//! outputs and nothing else, and gives the same bits twice.

use std::collections::HashMap;
use std::sync::Arc;

use bytemuck::{cast_slice, pod_collect_to_vec};
use thiserror::Error;

use super::inputs::make_inputs;
use super::single_step::single_step;
use crate::compile::{Buffer, Program, runnable};
use crate::error::ShapeError;
use crate::exec::{ExecError, Executor, evaluate};
use crate::graph::{Caps, Case, Graph, Lowering, Op, Part, Signature};
use crate::tensor::half::{as_f64, round};
use crate::tensor::{DType, HostTensor, Mismatch, TensorType, Tolerance, compare};

/// Why a lowering or a gradient rule is rejected.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum Failure {
    /// The case itself has shapes that the op rejects.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// The device reported an error.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// An output differs from the reference.
    #[error("output {output}: {mismatch}")]
    Wrong {
        /// Position of the output.
        output: usize,
        /// Where and how far.
        mismatch: Mismatch,
    },
    /// Memory next to a tensor was overwritten.
    #[error("{operand}: wrote outside the tensor, {word} words {side} it")]
    OutOfBounds {
        /// The tensor.
        operand: String,
        /// Distance from the tensor, in words.
        word: usize,
        /// `before` or `behind`.
        side: &'static str,
    },
    /// An input was overwritten.
    #[error("input {input} was overwritten")]
    InputChanged {
        /// Position of the input.
        input: usize,
    },
    /// Two runs on the same inputs gave different bits.
    #[error("output {output}: two runs differ, first at element {element}")]
    NotReproducible {
        /// Position of the output.
        output: usize,
        /// First element that differs.
        element: usize,
    },
    /// The threads of a check could not be started.
    #[error("threads: {0}")]
    Threads(String),
    /// The op accepts inputs that it cannot take.
    #[error("infer accepts {given}")]
    AcceptsWrongInputs {
        /// What it accepts.
        given: String,
    },
    /// A gradient differs from finite differences, or is missing.
    #[error("gradient of input {input}: {message}")]
    Gradient {
        /// Position of the input.
        input: usize,
        /// Where and how far.
        message: String,
    },
}

/// Guard bytes before and behind each tensor: the alignment of binding offsets.
pub(super) const GUARD_BYTES: usize = 256;
/// Content of outputs and scratch memory before a run: a NaN as one f32 and as two f16, and no
/// plausible integer.
pub(super) const UNWRITTEN_WORD: u32 = 0x7fc0_7ead;

/// The operand types of a case.
///
/// # Errors
/// When the op rejects the shapes of the case.
pub fn signature(case: &Case) -> Result<Signature, ShapeError> {
    let inputs: Vec<TensorType> = case.inputs.iter().map(|input| input.ty.clone()).collect();
    let outputs = case.op.infer(&inputs)?;
    Ok(Signature { inputs, outputs })
}

/// The lowerings of a case on a device with `caps`, with its operand types.
///
/// # Errors
/// When the op rejects the shapes of the case.
pub fn lowerings(case: &Case, caps: &Caps) -> Result<(Signature, Vec<Lowering>), ShapeError> {
    let sig = signature(case)?;
    let lowerings = case.op.lowerings(&sig, caps);
    Ok((sig, lowerings))
}

/// The lowerings of a small case as a device would run them whose grids are at most two workgroups wide and
/// high: so the grids of large tensors, which are folded into two and three dimensions, are checked on few
/// elements. None where nothing is folded.
///
/// # Errors
/// When the op rejects the shapes of the case.
pub fn folded_lowerings(case: &Case, caps: &Caps) -> Result<Vec<Lowering>, ShapeError> {
    /// Most workgroups in a dimension.
    const MOST: u32 = 2;
    /// Most elements of all operands.
    const SMALL: usize = 4096;
    let sig = signature(case)?;
    let elements: usize = sig.inputs.iter().chain(&sig.outputs).map(TensorType::elements).sum();
    if elements > SMALL || sig.inputs.iter().any(|ty| ty.dtype == DType::F16) {
        return Ok(Vec::new());
    }
    let narrow = Caps { max_workgroups: MOST, ..caps.clone() };
    let mut folded = case.op.lowerings(&sig, &narrow);
    folded.retain(|lowering| {
        let grids = || lowering.kernels.iter().map(|kernel| kernel.workgroups);
        grids().all(|[x, y, _]| x <= MOST && y <= MOST) && grids().any(|[_, y, z]| y * z > 1)
    });
    let plain = case.op.lowerings(&sig, caps);
    folded.retain(|lowering| !plain.contains(lowering));
    Ok(folded)
}

/// The lowerings of a case as a device would run them whose bindings hold a third of its largest operand:
/// so what is done to tensors larger than a binding is checked on few elements. None where the operands are
/// too small to be cut, or the op does not work on parts of them.
///
/// # Errors
/// When the op rejects the shapes of the case.
pub fn bounded_lowerings(case: &Case, caps: &Caps) -> Result<Vec<Lowering>, ShapeError> {
    /// Parts of the largest operand.
    const PARTS: usize = 3;
    /// Most bytes of it.
    const SMALL: usize = 1 << 18;
    let sig = signature(case)?;
    let largest = sig.inputs.iter().chain(&sig.outputs).map(TensorType::bytes).max().unwrap_or(0);
    // What no part can begin and end within is cut into fewer.
    let bytes = (largest / PARTS).next_multiple_of(4 * Part::ALIGNMENT);
    if largest > SMALL || bytes >= largest {
        return Ok(Vec::new());
    }
    let small = Caps { max_binding_bytes: bytes as u64, ..caps.clone() };
    Ok(runnable(case.op.as_ref(), &sig, &small))
}

/// Checks that `infer` rejects missing inputs and inputs of another element type, and survives
/// shapes of any rank.
///
/// # Errors
/// The first wrong input that is accepted.
pub fn check_infer(case: &Case) -> Result<(), Failure> {
    let types: Vec<TensorType> = case.inputs.iter().map(|input| input.ty.clone()).collect();
    case.op.infer(&types)?;
    let accepts = |given: String| Err(Failure::AcceptsWrongInputs { given });
    if !types.is_empty() && case.op.infer(&[]).is_ok() {
        return accepts("no inputs at all".to_owned());
    }
    let one_more: Vec<TensorType> =
        types.iter().cloned().chain([TensorType::u8([3, 1, 4, 1, 5])]).collect();
    if case.op.infer(&one_more).is_ok() {
        return accepts("one input more, of bytes".to_owned());
    }
    for (i, ty) in types.iter().enumerate() {
        let with = |replacement: TensorType| {
            let mut changed = types.clone();
            changed[i] = replacement;
            case.op.infer(&changed)
        };
        if with(TensorType::new(DType::U8, ty.shape.clone())).is_ok() && ty.dtype != DType::U8 {
            return accepts(format!("bytes as input {i}"));
        }
        // These may be right or wrong, but must not panic.
        let mut larger = ty.dims().to_vec();
        larger.push(2);
        let _ = with(TensorType::new(ty.dtype, larger));
        let _ = with(TensorType::new(ty.dtype, Vec::new()));
        let _ = with(TensorType::new(ty.dtype, vec![0; ty.shape.rank()]));
    }
    Ok(())
}

/// A case with its inputs and the outputs of the reference, against which lowerings and host kernels
/// are checked.
#[derive(Debug)]
pub struct CaseCheck<'a> {
    pub(super) case: &'a Case,
    pub(super) sig: &'a Signature,
    pub(super) inputs: Vec<HostTensor>,
    pub(super) expected: Vec<Vec<f64>>,
}

impl<'a> CaseCheck<'a> {
    /// Makes the inputs and runs the reference, which takes minutes for the largest shapes.
    ///
    /// # Errors
    /// When the op rejects the shapes of the case.
    pub fn new(case: &'a Case, sig: &'a Signature) -> Result<Self, ShapeError> {
        let inputs = make_inputs(case);
        let expected = expected_outputs(case, &inputs)?;
        Ok(Self { case, sig, inputs, expected })
    }

    /// The inputs.
    pub fn inputs(&self) -> &[HostTensor] {
        &self.inputs
    }

    /// Runs one lowering on a device and checks the whole contract.
    ///
    /// # Errors
    /// The first violation.
    pub fn check(&self, executor: &mut dyn Executor, lowering: &Lowering) -> Result<(), Failure> {
        let bench = TestBench::new(self.case, self.sig, lowering, &self.inputs);
        executor.unload_all();
        let id = executor.load(Arc::new(bench.program.clone()))?;
        let mut runs = Vec::with_capacity(2);
        for contents in &bench.contents {
            for (buffer, content) in bench.program.buffers.iter().zip(contents) {
                executor.write(&buffer.name, 0, cast_slice(content))?;
            }
            executor.run(id, 1)?;
            let mut after = Vec::with_capacity(contents.len());
            for buffer in &bench.program.buffers {
                after.push(pod_collect_to_vec::<u8, u32>(&executor.read_now(&buffer.name)?));
            }
            bench.check_untouched(self.case, contents, &after)?;
            runs.push(after);
        }
        executor.unload_all();
        let tolerance = self.case.op.tolerance(self.sig, &lowering.variant);
        bench.check_outputs(self.sig, tolerance, &self.expected, &runs)
    }
}

/// Runs one lowering of a case on a device and checks the whole contract.
///
/// # Errors
/// The first violation.
pub fn check_lowering(
    executor: &mut dyn Executor,
    case: &Case,
    sig: &Signature,
    lowering: &Lowering,
) -> Result<(), Failure> {
    CaseCheck::new(case, sig)?.check(executor, lowering)
}

/// The outputs by f64 reference code.
pub(super) fn expected_outputs(
    case: &Case,
    inputs: &[HostTensor],
) -> Result<Vec<Vec<f64>>, ShapeError> {
    let mut graph = Graph::default();
    let mut tensors = HashMap::new();
    let mut values = Vec::new();
    for (i, tensor) in inputs.iter().enumerate() {
        let name = format!("in{i}");
        values.push(graph.source(&name, tensor.ty().clone()));
        tensors.insert(name, tensor.clone());
    }
    let outputs = graph.push_node(case.op.clone(), &values)?;
    evaluate(&graph, &HashMap::new(), &tensors, &outputs)
}

/// What lies beside tensors. What a kernel computes must not depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beside {
    /// NaN, as one f32 and as two f16, and large integers: a kernel that reads beyond a tensor and
    /// multiplies what it finds by zero is caught.
    Nan,
    /// Small integers, which are valid indices and labels, and floats next to zero.
    Small,
}

/// Guard words of `bytes` bytes; buffer `i` has number `2 i` before its tensor, and the next behind it.
/// No two are equal, over all buffers, so that a kernel which copies guard words from one tensor to another
/// is caught.
pub(super) fn guard(beside: Beside, number: usize, bytes: usize) -> Vec<u32> {
    let earlier = number * GUARD_BYTES / 4;
    let earlier = u32::try_from(earlier).unwrap_or_default();
    let word = |place: u32| match beside {
        Beside::Nan => 0x7fc0_7e00 | (place & 0x1ff) | ((place >> 9 & 0x3f) << 16),
        Beside::Small => place,
    };
    (0..).map(|place| word(earlier.wrapping_add(place))).take(bytes / 4).collect()
}

/// The program by which the contract checks a lowering.
pub fn checked_step(op: &Arc<dyn Op>, sig: &Signature, lowering: &Lowering) -> Program {
    single_step("check", op, sig, lowering, GUARD_BYTES)
}

/// Whether the words before and behind a tensor that lies `GUARD_BYTES` into its buffer and has
/// `words` words are as before.
///
/// # Errors
/// The first guard word that is not.
pub(super) fn check_guards(
    operand: &str,
    words: usize,
    before: &[u32],
    after: &[u32],
) -> Result<(), Failure> {
    let guard = GUARD_BYTES / 4;
    let out_of_bounds = |word: usize, side: &'static str| Failure::OutOfBounds {
        operand: operand.to_owned(),
        word,
        side,
    };
    let changed = |range: std::ops::Range<usize>| {
        range.clone().find(|&i| before[i] != after[i]).map(|i| i - range.start)
    };
    if let Some(word) = changed(guard + words..after.len()) {
        return Err(out_of_bounds(word, "behind"));
    }
    changed(0..guard).map_or(Ok(()), |word| Err(out_of_bounds(guard - word, "before")))
}

/// A program of one step, each tensor in a buffer of its own between guard words.
struct TestBench {
    program: Program,
    /// What the buffers hold before each of two runs.
    contents: [Vec<Vec<u32>>; 2],
}

impl TestBench {
    /// Bindings reach into the guard words, so that a write beyond the tensor shows there instead of
    /// being caught by the device's bounds checks.
    fn new(case: &Case, sig: &Signature, lowering: &Lowering, inputs: &[HostTensor]) -> Self {
        let program = single_step(&case.name, &case.op, sig, lowering, GUARD_BYTES);
        let content = |beside: Beside, (i, buffer): (usize, &Buffer)| {
            let unwritten = || vec![UNWRITTEN_WORD; (buffer.bytes - 2 * GUARD_BYTES) / 4];
            let words = inputs.get(i).map_or_else(unwritten, |input| input.words().to_vec());
            let guard = |number| guard(beside, number, GUARD_BYTES);
            [guard(2 * i), words, guard(2 * i + 1)].concat()
        };
        let contents = [Beside::Nan, Beside::Small].map(|beside| {
            program.buffers.iter().enumerate().map(|buffer| content(beside, buffer)).collect()
        });
        Self { program, contents }
    }

    /// Guard words and plain inputs must be as before.
    fn check_untouched(
        &self,
        case: &Case,
        before: &[Vec<u32>],
        after: &[Vec<u32>],
    ) -> Result<(), Failure> {
        for ((buffer, before), after) in self.program.buffers.iter().zip(before).zip(after) {
            let words = after.len() - 2 * GUARD_BYTES / 4;
            check_guards(&buffer.name, words, before, after)?;
        }
        for (input, operand) in self.program.steps[0].inputs.iter().enumerate() {
            let aliased = case.op.aliases().iter().any(|&(_, i)| i == input);
            let buffer = operand.region.buffer;
            if !aliased && before[buffer] != after[buffer] {
                return Err(Failure::InputChanged { input });
            }
        }
        Ok(())
    }

    fn check_outputs(
        &self,
        sig: &Signature,
        tolerance: Tolerance,
        expected: &[Vec<f64>],
        runs: &[Vec<Vec<u32>>],
    ) -> Result<(), Failure> {
        for (output, operand) in self.program.steps[0].outputs.iter().enumerate() {
            let first = operand.region.offset / 4;
            let range = first..first + operand.region.bytes / 4;
            let [got, again] = [0, 1].map(|run| &runs[run][operand.region.buffer][range.clone()]);
            check_output(sig, output, tolerance, &expected[output], [got, again])?;
        }
        Ok(())
    }
}

/// An output must agree with the reference, and with that of a second run bit for bit.
pub(super) fn check_output(
    sig: &Signature,
    output: usize,
    tolerance: Tolerance,
    expected: &[f64],
    [first, second]: [&[u32]; 2],
) -> Result<(), Failure> {
    let ty = &sig.outputs[output];
    let rounded: Vec<f64>;
    let expected = if ty.dtype == DType::F16 {
        rounded = expected.iter().map(|&value| round(value)).collect();
        &rounded
    } else {
        expected
    };
    let tolerance = tolerance.stored_as(ty.dtype);
    // First: what was read beyond a tensor differs between the runs, and is wrong in this one.
    compare(expected, &as_f64(first, ty), tolerance)
        .map_err(|mismatch| Failure::Wrong { output, mismatch })?;
    match first.iter().zip(second).position(|(a, b)| a != b) {
        Some(element) => Err(Failure::NotReproducible { output, element }),
        None => Ok(()),
    }
}
