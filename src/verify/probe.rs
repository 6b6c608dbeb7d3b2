//! Programs of one given kernel, that ask a device what it does or how fast it is.

use crate::compile::{CompileError, Program, compile};
use crate::error::ShapeError;
use crate::graph::{Caps, Cost, Graph, HostIo, Kernel, Lowering, Op, Signature, Vjp};
use crate::tensor::{TensorType, Tolerance};

/// Name of the state that a probe reads.
pub(crate) const PROBE_INPUT: &str = "probe/x";
/// Name of the output that a probe writes.
pub(crate) const PROBE_OUTPUT: &str = "probe/y";

/// A program that runs `kernel` once: it reads [`PROBE_INPUT`], of type `input`, as its binding 0
/// and writes [`PROBE_OUTPUT`], of type `output`, as its binding 1.
///
/// # Errors
/// When the device's limits are too low.
pub(crate) fn probe_program(
    kernel: Kernel,
    input: TensorType,
    output: TensorType,
    caps: &Caps,
) -> Result<Program, CompileError> {
    let mut graph = Graph::default();
    let x = graph.source(PROBE_INPUT, input);
    let y = graph.push(Probe { kernel, output }, &[x])?;
    graph.output("y", y);
    compile("probe", &graph, caps, &|_, _, _| 0)
}

/// An op of one given kernel. It has no reference and no registry entry: what it computes is for
/// the device to say.
#[derive(Debug, Clone)]
struct Probe {
    kernel: Kernel,
    output: TensorType,
}

impl Op for Probe {
    fn name(&self) -> &'static str {
        "probe"
    }

    fn attributes(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    fn infer(&self, _inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        Ok(vec![self.output.clone()])
    }

    fn reference(&self, _io: &mut HostIo<'_, f32>) {}

    fn reference_f64(&self, _io: &mut HostIo<'_, f64>) {}

    fn lower(&self, _sig: &Signature, _caps: &Caps) -> Vec<Lowering> {
        vec![Lowering::single("probe", self.kernel.clone())]
    }

    fn vjp(&self, _v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        Vjp::not_differentiable("probe")
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        Tolerance::EXACT
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, 0)
    }
}
