//! Programs of one given kernel, that ask a device what it does or how fast it is.

use serde::{Deserialize, Serialize};

use crate::compile::{CompileError, Program, compile};
use crate::error::ShapeError;
use crate::graph::{Caps, Case, Cost, Graph, HostIo, Kernel, Lowering, OpDef, Signature};
use crate::tensor::{Real, TensorType, Tolerance};

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

/// An op of one given kernel. It has no reference, no cases and no registry entry: what it computes
/// is for the device to say.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Probe {
    kernel: Kernel,
    output: TensorType,
}

impl OpDef for Probe {
    const NAME: &'static str = "probe";

    fn infer(&self, _inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        Ok(vec![self.output.clone()])
    }

    fn reference<T: Real>(&self, _io: &mut HostIo<'_, T>) {}

    fn lower(&self, _sig: &Signature, _caps: &Caps) -> Vec<Lowering> {
        vec![Lowering::single("probe", self.kernel.clone())]
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        Tolerance::EXACT
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, 0)
    }

    fn cases() -> Vec<Case> {
        Vec::new()
    }
}
