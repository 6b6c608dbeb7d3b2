//! Trials: the variants of one op on the shapes of a model, checked one after another, while their
//! inputs stay on the device.
//!
//! The contract is that of [`super::CaseCheck`]. Where the whole reference would take long, a sample of
//! its elements is computed, and all other elements are compared with those of a witness: a variant
//! that passes the op's small cases on this device, and the sample. Where a variant disagrees with the
//! witness, the reference says which of the two is wrong.

use std::sync::Arc;
use std::time::Instant;

use bytemuck::{cast_slice, pod_collect_to_vec};

use super::contract::{
    Beside, CaseCheck, Failure, GUARD_BYTES, UNWRITTEN_WORD, check_guards, check_output,
    checked_step, expected_outputs, guard, lowerings,
};
use super::inputs::make_inputs;
use super::sample::{Sample, check_at, reference_at};
use super::single_step::single_step;
use crate::compile::{Program, Region};
use crate::error::ShapeError;
use crate::exec::{ExecError, Executor, ProgramId};
use crate::graph::{Case, Lowering, Signature};
use crate::ops::find;
use crate::tensor::half::as_f64;
use crate::tensor::parallel::{BLOCK, map_indices};
use crate::tensor::{HostTensor, TensorType, Tolerance};

/// Elements in which a variant disagrees with the witness that the reference is asked about.
const DISPUTED: usize = 1024;
/// Small cases on which a witness is checked.
const SMALL_CASES: usize = 4;
/// Most elements of an operand of such a case.
const SMALL: usize = 1 << 16;

/// What the outputs are compared with.
#[derive(Debug)]
enum Truth {
    /// The whole reference.
    Whole(Vec<Vec<f64>>),
    /// Some elements of it, and for the others what a variant gives that can be trusted.
    Sampled { sample: Sample, witness: Option<Witness> },
}

/// What a variant gave that can be trusted.
#[derive(Debug)]
struct Witness {
    outputs: Vec<Vec<f64>>,
    tolerance: Tolerance,
}

/// The variants of one op on given shapes, on one device.
#[derive(Debug)]
pub struct Trial<'a> {
    case: &'a Case,
    sig: &'a Signature,
    inputs: Vec<HostTensor>,
    truth: Truth,
    /// Bytes of each scratch buffer: as many as any variant needs, so that all share it.
    scratch: Vec<usize>,
    /// Whether the inputs are on the device.
    resident: bool,
    /// Whether the reference contradicts the witness.
    contradicted: bool,
}

/// A variant that is loaded and has run once.
#[derive(Debug)]
pub struct TrialRun {
    id: ProgramId,
    program: Program,
    variant: String,
    /// What the buffers hold before a run that it could change; none of others.
    contents: Vec<Option<Vec<u32>>>,
    /// Time of the last run.
    seconds: f64,
}

impl TrialRun {
    /// The program, which stays loaded until the trial ends.
    pub fn id(&self) -> ProgramId {
        self.id
    }

    /// Time of the last checked run.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }
}

impl<'a> Trial<'a> {
    /// Makes the inputs, and runs the reference: all of it where that is cheap or `whole` is set, or
    /// where the op cannot compute single elements.
    ///
    /// # Errors
    /// When the op rejects the shapes of the case.
    pub fn new(
        case: &'a Case,
        sig: &'a Signature,
        lowerings: &[Lowering],
        whole: bool,
    ) -> Result<Self, ShapeError> {
        let inputs = make_inputs(case);
        let sample = if whole { None } else { Sample::of(case, sig, &inputs) };
        let truth = match sample {
            Some(sample) => Truth::Sampled { sample, witness: None },
            None => Truth::Whole(expected_outputs(case, &inputs)?),
        };
        let count = lowerings.iter().map(|lowering| lowering.scratch.len()).max().unwrap_or(0);
        let largest = |s: usize| lowerings.iter().filter_map(|l| l.scratch.get(s)).max().copied();
        let scratch = (0..count).map(|s| largest(s).unwrap_or(0)).collect();
        Ok(Self { case, sig, inputs, truth, scratch, resident: false, contradicted: false })
    }

    /// Whether outputs are compared with a sample of the reference and with a witness, which
    /// [`Self::trust`] names.
    pub fn needs_witness(&self) -> bool {
        matches!(self.truth, Truth::Sampled { .. })
    }

    /// Whether the reference has contradicted the witness: then nothing that was compared with it
    /// counts.
    pub fn is_contradicted(&self) -> bool {
        self.contradicted
    }

    /// Loads a variant beside those before and runs it once.
    ///
    /// # Errors
    /// When the device reports an error.
    pub fn start(
        &mut self,
        executor: &mut dyn Executor,
        lowering: &Lowering,
    ) -> Result<TrialRun, ExecError> {
        let mut program =
            single_step(&self.case.name, &self.case.op, self.sig, lowering, GUARD_BYTES);
        let first = program.buffers.len() - lowering.scratch.len();
        for (buffer, bytes) in program.buffers[first..].iter_mut().zip(&self.scratch) {
            buffer.bytes = bytes.next_multiple_of(4) + 2 * GUARD_BYTES;
        }
        let id = executor.load(Arc::new(program.clone()))?;
        let contents = self.contents(&program);
        if !self.resident {
            for (i, buffer) in program.buffers[..self.inputs.len()].iter().enumerate() {
                executor.write(&buffer.name, 0, cast_slice(&self.content(&program, i)))?;
            }
            self.resident = true;
        }
        let variant = lowering.variant.clone();
        let mut run = TrialRun { id, program, variant, contents, seconds: 0.0 };
        run.repeat(executor)?;
        Ok(run)
    }

    /// Checks what a variant did in its first run, runs it again, and compares its outputs.
    ///
    /// # Errors
    /// The first violation of the contract.
    pub fn finish(
        &mut self,
        executor: &mut dyn Executor,
        run: &mut TrialRun,
    ) -> Result<(), Failure> {
        let outputs = self.outputs_twice(executor, run);
        if outputs.is_err() {
            // It may have changed what others read.
            self.resident = false;
        }
        let [first, second] = outputs?;
        let tolerance = self.case.op.tolerance(self.sig, &run.variant);
        for output in 0..first.len() {
            let got = [&first[output][..], &second[output]];
            match &self.truth {
                Truth::Whole(expected) => {
                    check_output(self.sig, output, tolerance, &expected[output], got)?;
                }
                Truth::Sampled { .. } => self.check_sampled(output, tolerance, got)?,
            }
        }
        Ok(())
    }

    /// Lets a variant that has passed [`Self::finish`] and the op's small cases speak for the
    /// elements outside of the sample.
    ///
    /// # Errors
    /// When its outputs cannot be read.
    pub fn trust(
        &mut self,
        executor: &mut dyn Executor,
        run: &mut TrialRun,
    ) -> Result<(), ExecError> {
        run.repeat(executor)?;
        let words = self.read_outputs(executor, run)?;
        let outputs = words.iter().zip(&self.sig.outputs).map(|(words, ty)| as_f64(words, ty));
        let outputs = outputs.collect();
        let tolerance = self.case.op.tolerance(self.sig, &run.variant);
        if let Truth::Sampled { witness, .. } = &mut self.truth {
            *witness = Some(Witness { outputs, tolerance });
        }
        Ok(())
    }

    /// The whole content of a buffer before a run: a tensor, or words that nobody wrote, between
    /// guard words.
    fn content(&self, program: &Program, i: usize) -> Vec<u32> {
        let words = tensor_words(program, i);
        let tensor = match self.inputs.get(i) {
            Some(input) => input.words().to_vec(),
            None => vec![UNWRITTEN_WORD; words],
        };
        let behind = program.buffers[i].bytes - GUARD_BYTES - 4 * words;
        let guard = |number, bytes| guard(Beside::Nan, number, bytes);
        [guard(2 * i, GUARD_BYTES), tensor, guard(2 * i + 1, behind)].concat()
    }

    /// The contents of the buffers that a run could change: kernels bind all others for reading only,
    /// which the device enforces.
    fn contents(&self, program: &Program) -> Vec<Option<Vec<u32>>> {
        let step = &program.steps[0];
        let bindings = || step.dispatches.iter().flat_map(|dispatch| &dispatch.bindings);
        let is_written = |i: usize| {
            bindings().any(|bound| bound.region.buffer == i && bound.access.writes())
                || self.case.op.aliases().iter().any(|&(_, input)| input == i)
        };
        let changes = |i: usize| i >= self.inputs.len() || is_written(i);
        let content = |i: usize| changes(i).then(|| self.content(program, i));
        (0..program.buffers.len()).map(content).collect()
    }

    /// The outputs of the first run, once it is known to have left all else as it was, and of a second
    /// one.
    fn outputs_twice(
        &self,
        executor: &mut dyn Executor,
        run: &mut TrialRun,
    ) -> Result<[Vec<Vec<u32>>; 2], Failure> {
        let mut after = Vec::with_capacity(run.contents.len());
        for (i, before) in run.contents.iter().enumerate() {
            let Some(before) = before else {
                after.push(Vec::new());
                continue;
            };
            let buffer = &run.program.buffers[i];
            let words = pod_collect_to_vec::<u8, u32>(&executor.read_now(&buffer.name)?);
            let tensor = tensor_words(&run.program, i);
            check_guards(&buffer.name, tensor, before, &words)?;
            let aliased = self.case.op.aliases().iter().any(|&(_, input)| input == i);
            if i < self.inputs.len() && !aliased && *before != words {
                return Err(Failure::InputChanged { input: i });
            }
            after.push(words);
        }
        let outputs = &run.program.steps[0].outputs;
        let first = outputs.iter().map(|operand| {
            let Region { buffer, offset, bytes } = operand.region;
            after[buffer][offset / 4..(offset + bytes) / 4].to_vec()
        });
        let first = first.collect();
        run.repeat(executor)?;
        Ok([first, self.read_outputs(executor, run)?])
    }

    fn read_outputs(
        &self,
        executor: &mut dyn Executor,
        run: &TrialRun,
    ) -> Result<Vec<Vec<u32>>, ExecError> {
        let read = |operand: &crate::compile::OperandAt| {
            let Region { buffer, offset, bytes } = operand.region;
            let all = executor.read_now(&run.program.buffers[buffer].name)?;
            Ok(pod_collect_to_vec::<u8, u32>(&all[offset..offset + bytes]))
        };
        run.program.steps[0].outputs.iter().map(read).collect()
    }

    /// Two runs of an output must agree with each other, bit for bit, with the sample, and with the
    /// witness where there is one already.
    fn check_sampled(
        &mut self,
        output: usize,
        tolerance: Tolerance,
        [got, again]: [&[u32]; 2],
    ) -> Result<(), Failure> {
        if got != again {
            let element = got.iter().zip(again).position(|(a, b)| a != b).unwrap_or_default();
            return Err(Failure::NotReproducible { output, element });
        }
        let Truth::Sampled { sample, witness } = &self.truth else { return Ok(()) };
        let ty = &self.sig.outputs[output];
        let got = as_f64(got, ty);
        let wrong = |mismatch| Failure::Wrong { output, mismatch };
        sample.check(output, ty, tolerance, &got).map_err(wrong)?;
        let Some(witness) = witness else { return Ok(()) };
        let scale = sample.scale(output);
        let other = &witness.outputs[output];
        let disputed = disagreements(ty, scale, [&witness.tolerance, &tolerance], other, &got);
        let Some(asked) = disputed.get(..disputed.len().min(DISPUTED)) else { return Ok(()) };
        if asked.is_empty() {
            return Ok(());
        }
        let reference = reference_at(self.case, self.sig, &self.inputs, output, asked);
        let expected = reference.unwrap_or_else(|| vec![f64::NAN; asked.len()]);
        check_at(asked, &expected, ty, tolerance, scale, &got).map_err(wrong)?;
        // The variant is right wherever the two disagree.
        self.contradicted = true;
        Ok(())
    }
}

impl TrialRun {
    /// Runs once, all that it may change being as before the first run.
    ///
    /// # Errors
    /// When the device reports an error.
    pub fn repeat(&mut self, executor: &mut dyn Executor) -> Result<(), ExecError> {
        for (buffer, content) in self.program.buffers.iter().zip(&self.contents) {
            if let Some(content) = content {
                executor.write(&buffer.name, 0, cast_slice(content))?;
            }
        }
        executor.wait()?;
        let start = Instant::now();
        executor.run(self.id, 1)?;
        executor.wait()?;
        self.seconds = start.elapsed().as_secs_f64();
        Ok(())
    }
}

/// Words of the tensor in a buffer of a program of one step.
fn tensor_words(program: &Program, buffer: usize) -> usize {
    let step = &program.steps[0];
    let operands = step.inputs.iter().chain(&step.outputs).map(|operand| operand.region);
    let bound = step.dispatches.iter().flat_map(|dispatch| &dispatch.bindings);
    // Bindings reach over the guard words behind the tensor.
    let scratch = bound.map(|b| Region { bytes: b.region.bytes - GUARD_BYTES, ..b.region });
    let found = operands.chain(scratch).find(|region| region.buffer == buffer);
    found.map_or(0, |region| region.bytes / 4)
}

/// Where two results lie further apart than both tolerances allow together, in order.
fn disagreements(
    ty: &TensorType,
    scale: f64,
    tolerances: [&Tolerance; 2],
    witness: &[f64],
    got: &[f64],
) -> Vec<usize> {
    let [first, second] = tolerances.map(|tolerance| tolerance.stored_as(ty.dtype));
    let agree = |(expected, got): (&f64, &f64)| {
        if !expected.is_finite() {
            return !got.is_finite();
        }
        let allowed = first.allowed(*expected, scale) + second.allowed(*expected, scale);
        (expected - got).abs() <= allowed
    };
    let blocks = map_indices(witness.len().div_ceil(BLOCK), &|block| {
        let range = block * BLOCK..witness.len().min((block + 1) * BLOCK);
        let pairs = witness[range.clone()].iter().zip(&got[range.clone()]);
        let apart = range.zip(pairs).filter(|&(_, pair)| !agree(pair)).map(|(at, _)| at);
        apart.collect::<Vec<usize>>()
    });
    blocks.concat()
}

/// Whether a variant passes the contract on small cases of its op on a device, of which there must be
/// one at least; `half` asks for cases with operands in 16 bits. Unloads all programs.
///
/// # Errors
/// When the device is lost.
pub fn passes_small_cases(
    executor: &mut dyn Executor,
    op: &str,
    variant: &str,
    half: bool,
) -> Result<bool, ExecError> {
    let Some(entry) = find(op) else { return Ok(false) };
    let mut cases = (entry.cases)();
    cases
        .retain(|case| !case.bench && case.inputs.iter().all(|input| input.ty.elements() <= SMALL));
    if half {
        cases = cases.iter().flat_map(Case::in_half).collect();
    }
    cases.sort_by_key(|case| {
        std::cmp::Reverse(case.inputs.iter().map(|input| input.ty.elements()).sum::<usize>())
    });
    let offered = cases.iter().filter_map(|case| {
        let (sig, all) = lowerings(case, executor.caps()).ok()?;
        let lowering = all.into_iter().find(|lowering| lowering.variant == variant)?;
        Some((case, sig, lowering))
    });
    let offered: Vec<_> = offered.take(SMALL_CASES).collect();
    let checked = |(case, sig, lowering): &(&Case, Signature, Lowering)| {
        checked_step(&case.op, sig, lowering)
    };
    executor.prepare(&offered.iter().map(checked).collect::<Vec<_>>());
    for (case, sig, lowering) in &offered {
        let checked = CaseCheck::new(case, sig).map_err(Failure::from);
        match checked.and_then(|check| check.check(executor, lowering)) {
            Ok(()) => {}
            Err(Failure::Exec(lost)) if lost.ends_device() => return Err(lost),
            Err(failure) => {
                log::warn!("{op} {variant} fails on {}: {failure}", case.name);
                return Ok(false);
            }
        }
    }
    Ok(!offered.is_empty())
}
