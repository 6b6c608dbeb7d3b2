//! An operation as the engine sees it: [`Op`], of which passes, executors and checks hold `dyn`.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use super::{
    Caps, Cost, Epilogue, Fill, HalfForm, HostIo, HostKernel, Inputs, Lowering, Signature, Vjp,
};
use crate::error::ShapeError;
use crate::tensor::{TensorType, Tolerance};

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

/// An operation, whatever its type: what graphs, passes, executors and checks hold.
///
/// Authors implement [`super::OpDef`], for which this trait is implemented once. Here, every question may
/// name operands that are stored as f16: shapes, work, tolerances and kernels follow from those of
/// f32 in one place (see [`HalfForm`]). Tests may implement it directly, for ops that behave like
/// others.
pub trait Op: Any + Debug + Send + Sync {
    /// Registry name.
    fn name(&self) -> &'static str;

    /// What tables, traces and messages call it: the name, unless the op is made of others.
    fn title(&self) -> String {
        self.name().to_owned()
    }

    /// Attributes as JSON, from which the registry rebuilds the op.
    fn attributes(&self) -> serde_json::Value;

    /// Types of the outputs for given inputs, some of which may be f16.
    ///
    /// # Errors
    /// When the op cannot take these inputs; the message says what it expects.
    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError>;

    /// The specification, on f32: see [`super::OpDef::reference`].
    fn reference(&self, io: &mut HostIo<'_, f32>);

    /// The same loops over f64 tensors, for gradient checks.
    fn reference_f64(&self, io: &mut HostIo<'_, f64>);

    /// Elements of an output at given positions, by the arithmetic of the reference, where the op
    /// has code for it: see [`super::OpDef::reference_at`].
    fn reference_at(
        &self,
        _inputs: &Inputs<'_, f32>,
        _sig: &Signature,
        _output: usize,
        _positions: &[usize],
    ) -> Option<Vec<f64>> {
        None
    }

    /// Every variant that a device with `caps` can run, best guess first: those that the op writes,
    /// with operands in 16 bits, or read through textures. Empty for ops that only say where data
    /// lie.
    fn lowerings(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering>;

    /// The variants that the op writes, for f32 operands in storage buffers in place of those of
    /// `sig`: what ops that wrap others start from.
    fn plain_lowerings(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering>;

    /// Every fast variant that the CPU can run, best first; it computes in f32 (see
    /// [`super::run_on_words`]). Where there is none, the CPU runs the reference.
    fn host_kernels(&self, sig: &Signature) -> Vec<HostKernel>;

    /// Which operands may be stored as f16, together.
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
    fn sample_inputs(&self, inputs: &[TensorType]) -> Vec<Fill>;

    /// In-place outputs as pairs `(output, input)`: the output takes the input's place in memory,
    /// and holds the input's content when the op starts.
    fn aliases(&self) -> &'static [(usize, usize)] {
        &[]
    }

    /// Whether the op computes, or only says where data lie.
    fn structure(&self) -> Structure {
        Structure::Compute
    }

    /// How far the f32 results of the lowering or host kernel called `variant` may lie from the
    /// reference; [`Tolerance::stored_as`] adds what storing them takes.
    fn tolerance(&self, sig: &Signature, variant: &str) -> Tolerance;

    /// Work of one execution: drives roofline and memory tables. The operations are those on f32,
    /// the bytes those of the operands as they are stored.
    fn cost(&self, sig: &Signature) -> Cost;

    /// Whether this op scatters a selection: see [`super::OpDef::scatters_selection`].
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

impl dyn Op {
    /// The op as its own type, where that is `O`.
    pub fn downcast_ref<O: Op>(&self) -> Option<&O> {
        (self as &dyn Any).downcast_ref()
    }
}
