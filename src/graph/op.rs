//! The seam of the whole engine: what one operation must tell about itself.

use std::fmt::Debug;

use super::{Caps, Epilogue, Fill, HalfForm, HostIo, HostKernel, Lowering, Operand, Vjp};
use crate::error::ShapeError;
use crate::tensor::{TensorType, Tolerance};
use std::sync::Arc;

/// Types of an op's operands, once its shapes are known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Signature {
    /// Types of the inputs, in order.
    pub inputs: Vec<TensorType>,
    /// Types of the outputs, in order.
    pub outputs: Vec<TensorType>,
}

impl Signature {
    /// Type of an input or output; scratch memory has none.
    pub fn ty(&self, operand: Operand) -> Option<&TensorType> {
        match operand {
            Operand::Input(i) => self.inputs.get(i),
            Operand::Output(o) => self.outputs.get(o),
            Operand::Scratch(_) => None,
        }
    }
}

/// Work of one execution of an op.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Floating-point operations; a fused multiply-add counts as two.
    pub flop: u64,
    /// Bytes that must at least be read and written: each operand once.
    pub bytes: u64,
}

impl Cost {
    /// `flop` operations over the operands of `sig`, each of which is moved once.
    pub fn of(sig: &Signature, flop: usize) -> Self {
        let bytes: usize = sig.inputs.iter().chain(&sig.outputs).map(TensorType::bytes).sum();
        Self { flop: flop as u64, bytes: bytes as u64 }
    }
}

impl std::iter::Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), |sum, cost| Self {
            flop: sum.flop + cost.flop,
            bytes: sum.bytes + cost.bytes,
        })
    }
}

/// Whether an op computes, or only says where data lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Structure {
    /// Runs kernels.
    Compute,
    /// The output is a range of the input's buffer, starting at `offset` elements.
    View {
        /// First element of the range.
        offset: usize,
    },
    /// Each input is placed at its offset (in elements) in the output's buffer.
    Pack {
        /// First element of each input.
        offsets: Vec<usize>,
    },
}

/// A graph node's behavior: one implementation per op.
///
/// Adding an op takes one type with this trait, its WGSL file and a line in
/// [`crate::ops::REGISTRY`]. Tests, gradient checks, `doctor`, benchmarks and `inspect` iterate
/// over the registry.
pub trait Op: Debug + Send + Sync + 'static {
    /// Registry name: the stem of the Rust file or the WGSL file.
    fn name(&self) -> &'static str;

    /// What tables, traces and messages call it: the name, unless the op is made of others.
    fn title(&self) -> String {
        self.name().to_owned()
    }

    /// Attributes as JSON: the struct's serde form, from which the registry rebuilds the op.
    fn attributes(&self) -> serde_json::Value;

    /// Types of the outputs for given inputs.
    ///
    /// # Errors
    /// When the op cannot take these inputs; the message says what it expects.
    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError>;

    /// The specification: plain loops with f64 sums, that share no code with the lowerings.
    fn reference(&self, io: &mut HostIo<'_, f32>);

    /// The same loops over f64 tensors, for gradient checks.
    fn reference_f64(&self, io: &mut HostIo<'_, f64>);

    /// Every variant that a device with `caps` can run, best guess first. Empty for ops that
    /// only say where data lie.
    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering>;

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

    /// Which operands may be stored as f16, together. All other methods see f32 in their place;
    /// the methods of `dyn Op` account for them.
    fn half_forms(&self) -> &'static [HalfForm] {
        &[]
    }

    /// Gradients of the inputs, written as ops.
    ///
    /// # Errors
    /// When the op has no gradient; the message names it.
    fn vjp(&self, v: &mut Vjp<'_>) -> Result<(), ShapeError>;

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
        self.tolerance(sig)
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
}
