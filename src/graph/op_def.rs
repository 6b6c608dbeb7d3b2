//! The seam of the whole engine: what the author of an operation writes.

use std::fmt::Debug;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::half::{self, widened_signature};
use super::{
    Caps, Case, Cost, Epilogue, Fill, HalfForm, HostIo, HostKernel, Inputs, Lowering, Op, Operand,
    Part, Signature, Structure, Vjp, lowerings, parts,
};
use crate::error::ShapeError;
use crate::tensor::{Real, TensorType, Tolerance};

/// An operation: its shapes, its specification, its kernels, its gradient, and the cases on which
/// all of them are checked.
///
/// Adding an op takes one type with this trait, its WGSL file and a line in the registry
/// ([`crate::ops::OpEntry::of`]). Tests, gradient checks, `doctor`, benchmarks and `inspect` iterate
/// over the registry. The type's serde form is its attributes. Everything is written for f32;
/// [`Op`], which every such type implements, accounts for operands that are stored as f16.
pub trait OpDef: Debug + Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Registry name: the stem of the Rust file or the WGSL file.
    const NAME: &'static str;

    /// What tables, traces and messages call it: the name, unless the op is made of others.
    fn title(&self) -> String {
        Self::NAME.to_owned()
    }

    /// Types of the outputs for given inputs.
    ///
    /// # Errors
    /// When the op cannot take these inputs; the message says what it expects.
    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError>;

    /// The specification: plain loops with f64 sums, that share no code with the lowerings. They
    /// run on f32, and on f64 for gradient checks.
    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>);

    /// Elements of output `output` at given positions, by the arithmetic of the reference: for ops
    /// that take long to compute as a whole. None where there is no such code.
    fn reference_at(
        &self,
        _inputs: &Inputs<'_, f32>,
        _sig: &Signature,
        _output: usize,
        _positions: &[usize],
    ) -> Option<Vec<f64>> {
        None
    }

    /// Every variant that a device with `caps` can run, best guess first. Empty for ops that
    /// only say where data lie.
    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering>;

    /// The same op on a range of the elements of its first output, and of all operands that have as
    /// many, which are vectors then; all others stay whole. Its kernels run for one part after the other
    /// where an operand is larger than a binding, so every element must depend on those at its place
    /// alone. None where that is not so.
    fn part(&self, _sig: &Signature, _part: Part) -> Option<Self> {
        None
    }

    /// The variants that multiply cooperative matrices, best guess first, on a device that has them
    /// ([`Caps::cooperative_size`]), where `is_half` names the operands that are stored as f16.
    /// Signature and kernels have f32 in their place.
    fn lower_cooperative(
        &self,
        _sig: &Signature,
        _is_half: &dyn Fn(Operand) -> bool,
        _caps: &Caps,
    ) -> Vec<Lowering> {
        Vec::new()
    }

    /// Every fast variant that the CPU can run, best first, which share no code with the reference.
    /// Where there is none, the CPU runs the reference.
    fn host_kernels(&self, _sig: &Signature) -> Vec<HostKernel> {
        Vec::new()
    }

    /// Which operands may be stored as f16, together.
    fn half_forms(&self) -> &'static [HalfForm] {
        &[]
    }

    /// Gradients of the inputs, written as ops.
    ///
    /// # Errors
    /// When the op has no gradient, as by default; the message names it.
    fn vjp(&self, _v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        Vjp::not_differentiable(Self::NAME)
    }

    /// How to fill inputs of given types when variants are checked and timed on the shapes of a
    /// model: with values that the op accepts, one entry per input.
    fn sample_inputs(&self, inputs: &[TensorType]) -> Vec<Fill> {
        inputs.iter().map(Fill::any).collect()
    }

    /// In-place outputs as pairs `(output, input)`: the output takes the input's place in memory,
    /// and holds the input's content when the op starts.
    fn aliases(&self) -> &'static [(usize, usize)] {
        &[]
    }

    /// Whether the op computes, or only says where data lie.
    fn structure(&self) -> Structure {
        Structure::Compute
    }

    /// How far a lowering may lie from the reference.
    fn tolerance(&self, sig: &Signature) -> Tolerance;

    /// How far the lowering or host kernel called `variant` may lie from the reference, where its
    /// algorithm rounds more than those of the others.
    fn variant_tolerance(&self, sig: &Signature, _variant: &str) -> Tolerance {
        OpDef::tolerance(self, sig)
    }

    /// Work of one execution: drives roofline and memory tables.
    fn cost(&self, sig: &Signature) -> Cost;

    /// Whether this is the gradient of an op that selects elements of its first input: of its
    /// outputs, the first holds them and the second says which ones they are. Then this op takes
    /// the second and the gradient of the first, and places the sum of the gradients of each
    /// element where the element was.
    fn scatters_selection(&self) -> bool {
        false
    }

    /// The same op with a further epilogue, where its kernels can take one.
    fn fuse(&self, _epilogue: Epilogue) -> Option<Arc<dyn Op>> {
        None
    }

    /// What this op is as an epilogue of the op that makes the input at the given position; the
    /// other inputs follow those of that op, in order.
    fn as_epilogues(&self) -> Vec<(usize, Epilogue)> {
        Vec::new()
    }

    /// Cases on which the op is tested and benchmarked.
    fn cases() -> Vec<Case>;
}

impl<O: OpDef> Op for O {
    fn name(&self) -> &'static str {
        O::NAME
    }

    fn title(&self) -> String {
        OpDef::title(self)
    }

    fn attributes(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("op attributes are plain numbers, names and lists")
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        half::infer(O::NAME, OpDef::half_forms(self), inputs, &|inputs| OpDef::infer(self, inputs))
    }

    fn reference(&self, io: &mut HostIo<'_, f32>) {
        OpDef::reference(self, io);
    }

    fn reference_f64(&self, io: &mut HostIo<'_, f64>) {
        OpDef::reference(self, io);
    }

    fn reference_at(
        &self,
        inputs: &Inputs<'_, f32>,
        sig: &Signature,
        output: usize,
        positions: &[usize],
    ) -> Option<Vec<f64>> {
        OpDef::reference_at(self, inputs, &widened_signature(sig), output, positions)
    }

    fn lowerings(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        lowerings::all(
            sig,
            caps,
            &lowerings::Written {
                structure: OpDef::structure(self),
                lower: &|sig| lower(self, sig, caps),
                lower_cooperative: &|sig, is_half| self.lower_cooperative(sig, is_half, caps),
                cost: &|sig| OpDef::cost(self, sig),
            },
        )
    }

    fn plain_lowerings(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        lower(self, &widened_signature(sig), caps)
    }

    fn host_kernels(&self, sig: &Signature) -> Vec<HostKernel> {
        OpDef::host_kernels(self, &widened_signature(sig))
    }

    fn half_forms(&self) -> &'static [HalfForm] {
        OpDef::half_forms(self)
    }

    fn vjp(&self, v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        OpDef::vjp(self, v)
    }

    fn sample_inputs(&self, inputs: &[TensorType]) -> Vec<Fill> {
        OpDef::sample_inputs(self, inputs)
    }

    fn aliases(&self) -> &'static [(usize, usize)] {
        OpDef::aliases(self)
    }

    fn structure(&self) -> Structure {
        OpDef::structure(self)
    }

    fn tolerance(&self, sig: &Signature, variant: &str) -> Tolerance {
        self.variant_tolerance(&widened_signature(sig), variant)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        // What is moved are the operands as they are stored.
        let flop = OpDef::cost(self, &widened_signature(sig)).flop;
        Cost { flop, ..OpDef::cost(self, sig) }
    }

    fn scatters_selection(&self) -> bool {
        OpDef::scatters_selection(self)
    }

    fn fuse(&self, epilogue: Epilogue) -> Option<Arc<dyn Op>> {
        OpDef::fuse(self, epilogue)
    }

    fn as_epilogues(&self) -> Vec<(usize, Epilogue)> {
        OpDef::as_epilogues(self)
    }
}

/// The lowerings of an op on f32, in parts where its operands are too large to be bound.
fn lower<O: OpDef>(op: &O, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
    let part = |part: Part, of_part: &Signature| Some(op.part(sig, part)?.lower(of_part, caps));
    parts::lower(sig, caps, &|sig| op.lower(sig, caps), &part)
}
