//! An op with more variants, which are fast and wrong.

use std::sync::Arc;

use verigrad::error::ShapeError;
use verigrad::graph::{Caps, Cost, Fill, HostIo, HostKernel, Inputs, Lowering, Op, Signature, Vjp};
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
    /// One element somewhere inside is wrong.
    OneElement,
    /// The very last element is wrong.
    LastElement,
}

impl Plant {
    pub const ALL: [Self; 6] = [
        Self::Nothing,
        Self::LastWorkgroup,
        Self::Invalid,
        Self::Inexact,
        Self::OneElement,
        Self::LastElement,
    ];

    /// The element that [`Self::OneElement`] spoils, of so many.
    pub fn inner_element(elements: usize) -> usize {
        elements * 2 / 7 + 3
    }

    /// Spoils a lowering that is right and gives so many elements.
    fn spoil(self, mut lowering: Lowering, elements: usize) -> Lowering {
        lowering.variant = format!("planted {self:?}");
        let Some(kernel) = lowering.kernels.last_mut() else { return lowering };
        match self {
            Self::Nothing => lowering.kernels.clear(),
            Self::LastWorkgroup => match kernel.workgroups.iter_mut().find(|count| **count > 1) {
                Some(count) => *count -= 1,
                None => kernel.workgroups = [0, 1, 1],
            },
            Self::Invalid => kernel.source.push_str("\nfn main() { no WGSL }\n"),
            Self::Inexact => kernel.source = scaled(&kernel.source, |_| "1.001".to_owned()),
            Self::OneElement => {
                kernel.source = wrong_at(&kernel.source, Self::inner_element(elements));
            }
            Self::LastElement => kernel.source = wrong_at(&kernel.source, elements - 1),
        }
        lowering
    }
}

/// The kernel with one element of its output wrong.
fn wrong_at(source: &str, element: usize) -> String {
    scaled(source, |index| format!("select(1.0, 1.5, ({index}) == {element}u)"))
}

/// The kernel with every stored element of its output multiplied by what is told its index.
fn scaled(source: &str, factor: impl Fn(&str) -> String) -> String {
    let spoiled = |line: &str| match line.split_once("] = ") {
        Some((place, value)) if OUTPUTS.iter().any(|name| line.trim_start().starts_with(name)) => {
            let index = place.split_once('[').map_or("", |(_, index)| index);
            format!("{place}] = ({}) * {};", value.trim_end_matches(';'), factor(index))
        }
        _ => line.to_owned(),
    };
    let spoiled: String = source.lines().map(|line| spoiled(line) + "\n").collect();
    assert!(spoiled != source, "no store was found");
    spoiled
}

/// Whether this is the variant that plants are made of: one element a thread, stored by a plain index.
pub fn is_plain(variant: &str) -> bool {
    variant.trim_end_matches("_texels") == "one_per_thread"
}

/// Behaves like another op, with planted variants in front of its own.
#[derive(Debug)]
pub struct Planted {
    inner: Arc<dyn Op>,
    /// Instead, one element of its own plain variant is wrong.
    poses: bool,
}

impl Planted {
    pub fn new(inner: Arc<dyn Op>) -> Self {
        Self { inner, poses: false }
    }

    /// Like the op, with a wrong variant in the place and under the name of a right one.
    pub fn posing(inner: Arc<dyn Op>) -> Self {
        Self { inner, poses: true }
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

    fn reference_at(
        &self,
        inputs: &Inputs<'_, f32>,
        sig: &Signature,
        output: usize,
        positions: &[usize],
    ) -> Option<Vec<f64>> {
        self.inner.reference_at(inputs, sig, output, positions)
    }

    fn lowerings(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let mut own = self.inner.lowerings(sig, caps);
        let elements = sig.outputs[0].elements();
        let Some(at) = own.iter().position(|lowering| is_plain(&lowering.variant)) else {
            return own;
        };
        if self.poses {
            let spoiled = Plant::OneElement.spoil(own[at].clone(), elements);
            own[at] = Lowering { variant: own[at].variant.clone(), ..spoiled };
            return own;
        }
        let planted = Plant::ALL.iter().map(|plant| plant.spoil(own[at].clone(), elements));
        planted.chain(own.iter().cloned()).collect()
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
