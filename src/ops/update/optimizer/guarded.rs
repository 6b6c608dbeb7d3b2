//! An op in place, such as an optimizer, that leaves everything as it is where a flag says so.

use serde::{Deserialize, Serialize};

use super::{Adam, Hypergradient, RmsProp, Sgd};
use crate::error::ShapeError;
use crate::graph::{
    Caps, Case, Cost, Fill, HostIo, HostKernel, Kernel, Lowering, Op, OpDef, Operand, Signature,
};
use crate::ops::RunningAverage;
use crate::ops::kit::{ops_among, scalar};
use crate::ops::update::state::integer;
use crate::tensor::{DType, Real, TensorType, Tolerance};

/// An [`InPlaceUpdate`] that is run where a flag is zero. Elsewhere its outputs stay as they are,
/// bit for bit.
///
/// Inputs: those of the op, and `skip` u32 `[1]`. Outputs: those of the op.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Guarded {
    /// The op.
    pub update: InPlaceUpdate,
}

ops_among! {
    /// An op all of whose outputs take an input's place.
    pub enum InPlaceUpdate {
        /// Adam or AdamW.
        Adam(Adam),
        /// Stochastic gradient descent.
        Sgd(Sgd),
        /// RMSProp.
        RmsProp(RmsProp),
        /// A learning rate that is itself learned.
        Hypergradient(Hypergradient),
        /// Running statistics.
        RunningAverage(RunningAverage),
    }
}

impl Guarded {
    /// Guards an op, where it is an [`InPlaceUpdate`].
    ///
    /// # Errors
    /// When it is not; the message names it.
    pub fn of(op: &dyn Op) -> Result<Self, ShapeError> {
        let update = InPlaceUpdate::of(op).ok_or_else(|| {
            ShapeError::new(Self::NAME, format!("{} is not an update in place", op.name()))
        })?;
        Ok(Self { update })
    }

    /// What the op itself sees.
    fn inner(sig: &Signature) -> Signature {
        let inputs = sig.inputs.split_last().map_or(&[][..], |(_, inputs)| inputs);
        Signature { inputs: inputs.to_vec(), outputs: sig.outputs.clone() }
    }

    /// Whether the flag, the last input, is set.
    fn skips<T: Real>(io: &HostIo<'_, T>) -> bool {
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

impl OpDef for Guarded {
    const NAME: &'static str = "guarded";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let Some((skip, inputs)) = inputs.split_last() else {
            return Err(ShapeError::new(Self::NAME, "takes the inputs of its op and a flag"));
        };
        let outputs = self.update.op().infer(inputs)?;
        scalar(Self::NAME, ("skip", skip), DType::U32)?;
        Ok(outputs)
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        if !Self::skips(io) {
            self.update.reference(io);
        }
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let Some(flag) = sig.inputs.len().checked_sub(1) else { return Vec::new() };
        let guarded = |lowering: Lowering| {
            let kernels = lowering.kernels.into_iter().map(|kernel| guard(kernel, flag));
            Some(Lowering { kernels: kernels.collect::<Option<_>>()?, ..lowering })
        };
        self.update
            .op()
            .plain_lowerings(&Self::inner(sig), caps)
            .into_iter()
            .filter_map(guarded)
            .collect()
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
        self.update.op().host_kernels(&Self::inner(sig)).into_iter().map(guarded).collect()
    }

    fn sample_inputs(&self, inputs: &[TensorType]) -> Vec<Fill> {
        let Some((_, inputs)) = inputs.split_last() else { return Vec::new() };
        let mut fills = self.update.op().sample_inputs(inputs);
        fills.push(Fill::Integers(vec![0]));
        fills
    }

    fn aliases(&self) -> &'static [(usize, usize)] {
        self.update.op().aliases()
    }

    fn tolerance(&self, sig: &Signature) -> Tolerance {
        self.variant_tolerance(sig, "")
    }

    fn variant_tolerance(&self, sig: &Signature, variant: &str) -> Tolerance {
        self.update.op().tolerance(&Self::inner(sig), variant)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        self.update.op().cost(&Self::inner(sig))
    }

    /// Some cases of each optimizer and of running statistics, with the flag and without it; those among
    /// them that small bindings hold in parts.
    fn cases() -> Vec<Case> {
        const OF_EACH: usize = 4;
        const IN_PARTS: [&str; 3] = ["long", "in_ranges_long", "rises_2049"];
        let guarded_ones = [
            Adam::cases(),
            Sgd::cases(),
            RmsProp::cases(),
            Hypergradient::cases(),
            RunningAverage::cases(),
        ];
        let some = guarded_ones.into_iter().flat_map(|cases| {
            let chosen = |&(i, ref case): &(usize, Case)| {
                !case.bench && (i < OF_EACH || IN_PARTS.contains(&case.name.as_str()))
            };
            cases.into_iter().enumerate().filter(chosen).map(|(_, case)| case)
        });
        let guarded = some.flat_map(|case| {
            [("runs", 0), ("skips", 1)].map(|(what, flag)| {
                let (ty, fill) = integer(flag);
                let name = format!("{}_{}_{what}", case.op.name(), case.name);
                let op = Guarded::of(case.op.as_ref()).expect("all of these are updates");
                let mut guarded = Case::new(name, op);
                guarded.inputs.clone_from(&case.inputs);
                guarded.input(ty, fill).forward_only()
            })
        });
        guarded.collect()
    }
}
