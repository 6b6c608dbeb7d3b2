//! An op in place, such as an optimizer, that leaves everything as it is where a flag says so.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::ShapeError;
use crate::graph::{
    Caps, Case, Cost, Fill, HostIo, HostKernel, Kernel, Lowering, Op, Operand, Signature, Vjp,
};
use crate::ops::batch_norm::running_average_cases;
use crate::ops::operands::scalar;
use crate::ops::registry::{attributes, find};
use crate::ops::state::integer;
use crate::tensor::{DType, TensorType, Tolerance};

/// An op all of whose outputs take an input's place, such as an optimizer, that is run where a flag
/// is zero. Elsewhere its outputs stay as they are, bit for bit.
///
/// Inputs: those of the op, and `skip` u32 `[1]`. Outputs: those of the op.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Inner", into = "Inner")]
pub struct Guarded {
    op: Arc<dyn Op>,
}

/// The op as its registry name and attributes.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Inner {
    op: String,
    attributes: serde_json::Value,
}

impl From<Guarded> for Inner {
    fn from(guarded: Guarded) -> Self {
        Self { op: guarded.op.name().to_owned(), attributes: guarded.op.attributes() }
    }
}

impl TryFrom<Inner> for Guarded {
    type Error = String;

    fn try_from(inner: Inner) -> Result<Self, String> {
        let Inner { op, attributes } = inner;
        let entry = find(&op).ok_or_else(|| format!("there is no op called {op}"))?;
        let op = (entry.from_attributes)(attributes).map_err(|error| format!("{op}: {error}"))?;
        Ok(Self { op })
    }
}

impl Guarded {
    /// Guards an op.
    pub fn new(op: Arc<dyn Op>) -> Self {
        Self { op }
    }

    /// What the op itself sees.
    fn inner(sig: &Signature) -> Signature {
        let inputs = sig.inputs.split_last().map_or(&[][..], |(_, inputs)| inputs);
        Signature { inputs: inputs.to_vec(), outputs: sig.outputs.clone() }
    }

    /// Whether the flag, the last input, is set.
    fn skips<T: crate::tensor::Real>(io: &HostIo<'_, T>) -> bool {
        let flag = io.inputs.count().checked_sub(1).map(|last| io.inputs.u32(last));
        flag.is_some_and(|flag| flag.first().is_some_and(|&flag| flag != 0))
    }
}

/// The kernel, which returns at once where input `flag` is not zero.
fn guard(mut kernel: Kernel, flag: usize) -> Option<Kernel> {
    let number = kernel.bindings.len();
    let main = kernel.source.find("fn main(")?;
    let body = main + kernel.source[main..].find('{')? + 1;
    // Every invocation reads the same word, so that control flow stays uniform.
    kernel.source.insert_str(body, "\n  if skip_update[0] != 0u { return; }");
    let kernel = kernel.file(&format!(
        "\n@group(0) @binding({number}) var<storage, read> skip_update: array<u32>;\n"
    ));
    Some(kernel.read(Operand::Input(flag)))
}

impl Op for Guarded {
    fn name(&self) -> &'static str {
        "guarded"
    }

    fn attributes(&self) -> serde_json::Value {
        attributes(self)
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let Some((skip, inputs)) = inputs.split_last() else {
            return Err(ShapeError::new("guarded", "takes the inputs of its op and a flag"));
        };
        let outputs = self.op.infer(inputs)?;
        scalar("guarded", ("skip", skip), DType::U32)?;
        let in_place = |o| self.op.aliases().iter().any(|&(output, _)| output == o);
        if (0..outputs.len()).all(in_place) {
            Ok(outputs)
        } else {
            let message = format!("{} has outputs of its own", self.op.name());
            Err(ShapeError::new("guarded", message))
        }
    }

    fn reference(&self, io: &mut HostIo<'_, f32>) {
        if !Self::skips(io) {
            self.op.reference(io);
        }
    }

    fn reference_f64(&self, io: &mut HostIo<'_, f64>) {
        if !Self::skips(io) {
            self.op.reference_f64(io);
        }
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let Some(flag) = sig.inputs.len().checked_sub(1) else { return Vec::new() };
        let guarded = |lowering: Lowering| {
            let kernels = lowering.kernels.into_iter().map(|kernel| guard(kernel, flag));
            Some(Lowering { kernels: kernels.collect::<Option<_>>()?, ..lowering })
        };
        self.op.lower(&Self::inner(sig), caps).into_iter().filter_map(guarded).collect()
    }

    fn host_kernels(&self, sig: &Signature) -> Vec<HostKernel> {
        let guarded = |kernel: HostKernel| {
            let (variant, scratch) = (kernel.variant, kernel.scratch);
            let run = move |io: &mut HostIo<'_, f32>, scratch: &mut [f32]| {
                if !Self::skips(io) {
                    kernel.run(io, scratch);
                }
            };
            HostKernel::new(variant, run).with_scratch(scratch)
        };
        self.op.host_kernels(&Self::inner(sig)).into_iter().map(guarded).collect()
    }

    fn vjp(&self, _v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        Vjp::not_differentiable("guarded")
    }

    fn sample_inputs(&self, inputs: &[TensorType]) -> Vec<Fill> {
        let Some((_, inputs)) = inputs.split_last() else { return Vec::new() };
        let mut fills = self.op.sample_inputs(inputs);
        fills.push(Fill::Integers(vec![0]));
        fills
    }

    fn aliases(&self) -> &'static [(usize, usize)] {
        self.op.aliases()
    }

    fn tolerance(&self, sig: &Signature) -> Tolerance {
        self.op.tolerance(&Self::inner(sig))
    }

    fn cost(&self, sig: &Signature) -> Cost {
        self.op.cost(&Self::inner(sig))
    }
}

/// Some cases of each optimizer and of running statistics, with the flag and without it.
pub(super) fn cases() -> Vec<Case> {
    const OF_EACH: usize = 4;
    let guarded_ones = [
        super::adam::cases(),
        super::sgd::cases(),
        super::rms_prop::cases(),
        running_average_cases(),
    ];
    let some = guarded_ones
        .into_iter()
        .flat_map(|cases| cases.into_iter().filter(|case| !case.bench).take(OF_EACH));
    let guarded = some.flat_map(|case| {
        [("runs", 0), ("skips", 1)].map(|(what, flag)| {
            let (ty, fill) = integer(flag);
            let name = format!("{}_{}_{what}", case.op.name(), case.name);
            let mut guarded = Case::new(name, Guarded { op: case.op.clone() });
            guarded.inputs.clone_from(&case.inputs);
            guarded.input(ty, fill).forward_only()
        })
    });
    guarded.collect()
}
