//! An op that behaves like another one, except for its gradient rule, its shape rule or its host
//! kernels.

use std::sync::Arc;

use verigrad::error::ShapeError;
use verigrad::graph::{Caps, Cost, Fill, HostIo, HostKernel, Lowering, Op, Signature, Vjp};
use verigrad::tensor::{TensorType, Tolerance};

/// A gradient rule for the op that is given.
pub type Rule = fn(&dyn Op, &mut Vjp<'_>) -> Result<(), ShapeError>;
/// A shape rule for the op that is given.
pub type Shapes = fn(&dyn Op, &[TensorType]) -> Result<Vec<TensorType>, ShapeError>;
/// Host kernels for the op that is given.
pub type HostKernels = fn(&dyn Op, &Signature) -> Vec<HostKernel>;

#[derive(Debug)]
pub struct Wrapper {
    inner: Arc<dyn Op>,
    rule: Rule,
    shapes: Shapes,
    host_kernels: HostKernels,
}

impl Wrapper {
    pub fn new(inner: Arc<dyn Op>) -> Self {
        Self {
            inner,
            rule: |op, v| op.vjp(v),
            shapes: |op, inputs| op.infer(inputs),
            host_kernels: |op, sig| op.host_kernels(sig),
        }
    }

    pub fn with_rule(self, rule: Rule) -> Self {
        Self { rule, ..self }
    }

    pub fn with_shapes(self, shapes: Shapes) -> Self {
        Self { shapes, ..self }
    }

    pub fn with_host_kernels(self, host_kernels: HostKernels) -> Self {
        Self { host_kernels, ..self }
    }
}

impl Op for Wrapper {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn attributes(&self) -> serde_json::Value {
        self.inner.attributes()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        (self.shapes)(self.inner.as_ref(), inputs)
    }

    fn reference(&self, io: &mut HostIo<'_, f32>) {
        self.inner.reference(io);
    }

    fn reference_f64(&self, io: &mut HostIo<'_, f64>) {
        self.inner.reference_f64(io);
    }

    fn lowerings(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        self.inner.lowerings(sig, caps)
    }

    fn plain_lowerings(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        self.inner.plain_lowerings(sig, caps)
    }

    fn host_kernels(&self, sig: &Signature) -> Vec<HostKernel> {
        (self.host_kernels)(self.inner.as_ref(), sig)
    }

    fn vjp(&self, v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        (self.rule)(self.inner.as_ref(), v)
    }

    fn sample_inputs(&self, inputs: &[TensorType]) -> Vec<Fill> {
        self.inner.sample_inputs(inputs)
    }

    fn aliases(&self) -> &'static [(usize, usize)] {
        self.inner.aliases()
    }

    fn tolerance(&self, sig: &Signature, variant: &str) -> Tolerance {
        self.inner.tolerance(sig, variant)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        self.inner.cost(sig)
    }
}
