//! An op with more variants, which are fast and wrong.

use std::sync::Arc;

use verigrad::error::ShapeError;
use verigrad::graph::{Caps, Cost, Fill, HostIo, HostKernel, Lowering, Op, Signature, Vjp};
use verigrad::tensor::{TensorType, Tolerance};

/// Names that kernels give their outputs.
const OUTPUTS: [&str; 3] = ["y[", "dx[", "partial["];

/// What is wrong with a planted variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    /// It computes nothing at all.
    Nothing,
    /// It leaves out the last workgroup.
    LastWorkgroup,
    /// Its driver rejects it.
    Invalid,
    /// Its results are off by one part in a thousand.
    Inexact,
}

impl Plant {
    pub const ALL: [Self; 4] = [Self::Nothing, Self::LastWorkgroup, Self::Invalid, Self::Inexact];

    /// Spoils a lowering that is right.
    fn spoil(self, mut lowering: Lowering) -> Lowering {
        lowering.variant = format!("planted {self:?}");
        let Some(kernel) = lowering.kernels.last_mut() else { return lowering };
        match self {
            Self::Nothing => lowering.kernels.clear(),
            Self::LastWorkgroup => match kernel.workgroups.iter_mut().find(|count| **count > 1) {
                Some(count) => *count -= 1,
                None => kernel.workgroups = [0, 1, 1],
            },
            Self::Invalid => kernel.source.push_str("\nfn main() { no WGSL }\n"),
            Self::Inexact => kernel.source = inexact(&kernel.source),
        }
        lowering
    }
}

/// The kernel with every stored element of its output off by one part in a thousand.
fn inexact(source: &str) -> String {
    let spoiled = |line: &str| match line.split_once("] = ") {
        Some((place, value)) if OUTPUTS.iter().any(|name| line.trim_start().starts_with(name)) => {
            format!("{place}] = ({}) * 1.001;", value.trim_end_matches(';'))
        }
        _ => line.to_owned(),
    };
    let inexact: String = source.lines().map(|line| spoiled(line) + "\n").collect();
    assert!(inexact != source, "no store was found");
    inexact
}

/// Behaves like another op, with planted variants in front of its own.
#[derive(Debug)]
pub struct Planted {
    inner: Arc<dyn Op>,
}

impl Planted {
    pub fn new(inner: Arc<dyn Op>) -> Self {
        Self { inner }
    }
}

impl Op for Planted {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn attributes(&self) -> serde_json::Value {
        self.inner.attributes()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        self.inner.infer(inputs)
    }

    fn reference(&self, io: &mut HostIo<'_, f32>) {
        self.inner.reference(io);
    }

    fn reference_f64(&self, io: &mut HostIo<'_, f64>) {
        self.inner.reference_f64(io);
    }

    fn lowerings(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let own = self.inner.lowerings(sig, caps);
        let simplest = own.last().cloned();
        let planted = Plant::ALL.iter().zip(simplest.iter().cycle());
        planted.map(|(plant, lowering)| plant.spoil(lowering.clone())).chain(own).collect()
    }

    fn plain_lowerings(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        self.inner.plain_lowerings(sig, caps)
    }

    fn host_kernels(&self, sig: &Signature) -> Vec<HostKernel> {
        self.inner.host_kernels(sig)
    }

    fn vjp(&self, v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        self.inner.vjp(v)
    }

    fn sample_inputs(&self, inputs: &[TensorType]) -> Vec<Fill> {
        self.inner.sample_inputs(inputs)
    }

    fn tolerance(&self, sig: &Signature, variant: &str) -> Tolerance {
        self.inner.tolerance(sig, variant)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        self.inner.cost(sig)
    }
}
