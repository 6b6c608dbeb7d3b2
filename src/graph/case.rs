//! Cases: the shapes and values on which an op is tested, benchmarked and checked by `doctor`.

use std::sync::Arc;

use super::{Fill, HalfForm, Op};
use crate::tensor::{DType, TensorType};

/// One input of a [`Case`].
#[derive(Debug, Clone, PartialEq)]
pub struct TestInput {
    /// Type.
    pub ty: TensorType,
    /// Values.
    pub fill: Fill,
}

/// One case of an op.
#[derive(Debug, Clone)]
pub struct Case {
    /// Name, unique within the op.
    pub name: String,
    /// The op with its attributes.
    pub op: Arc<dyn Op>,
    /// Inputs.
    pub inputs: Vec<TestInput>,
    /// Whether the gradient is checked against finite differences: not for cases that are too
    /// large, or hold non-finite values.
    pub gradient: bool,
    /// Float inputs that have no gradient by design, such as targets.
    pub constants: Vec<usize>,
    /// Whether this is a case to benchmark: a shape that real models have.
    pub bench: bool,
}

impl Case {
    /// A case whose gradient is checked.
    pub fn new(name: impl Into<String>, op: impl Op) -> Self {
        Self {
            name: name.into(),
            op: Arc::new(op),
            inputs: Vec::new(),
            gradient: true,
            constants: Vec::new(),
            bench: false,
        }
    }

    /// A case of an op on the shapes of a model, whose inputs the op fills.
    pub fn of_model(name: &str, op: Arc<dyn Op>, inputs: &[TensorType]) -> Self {
        let fills = op.sample_inputs(inputs);
        let inputs = inputs.iter().cloned().zip(fills);
        let inputs = inputs.map(|(ty, fill)| TestInput { ty, fill }).collect();
        let (constants, gradient, bench) = (Vec::new(), false, true);
        Self { name: name.to_owned(), op, inputs, gradient, constants, bench }
    }

    /// The same case with operands in 16 bits, once for each form that the op has. Large cases have
    /// none: the text of a kernel differs from that for f32 in the types of its bindings only.
    pub fn in_half(&self) -> Vec<Self> {
        /// Most elements of an operand.
        const LARGE: usize = 1 << 18;
        /// Most elements of an operand of a case whose gradient is checked.
        const SMALL: usize = 64;
        let floats = |form: &&HalfForm| {
            form.inputs
                .iter()
                .all(|&i| self.inputs.get(i).is_some_and(|input| input.ty.dtype == DType::F32))
        };
        if self.bench || self.inputs.iter().any(|input| input.ty.elements() > LARGE) {
            return Vec::new();
        }
        let forms = self.op.half_forms().iter().filter(floats);
        let stored = forms.enumerate().map(|(number, form)| {
            let mut case = self.clone();
            case.name = format!("{}_f16_{number}", self.name);
            // The rule is the one for f32; small cases show that the types of gradients fit.
            case.gradient &= self.inputs.iter().all(|input| input.ty.elements() <= SMALL);
            for &i in form.inputs {
                let input = &mut case.inputs[i];
                input.ty = input.ty.with_dtype(DType::F16);
                input.fill = std::mem::replace(&mut input.fill, Fill::Normal).within_half();
            }
            case
        });
        stored.collect()
    }

    /// Adds a float input of normal numbers.
    #[must_use]
    pub fn normal(self, dims: impl Into<crate::tensor::Shape>) -> Self {
        self.input(TensorType::f32(dims), Fill::Normal)
    }

    /// Adds an input.
    #[must_use]
    pub fn input(mut self, ty: TensorType, fill: Fill) -> Self {
        self.inputs.push(TestInput { ty, fill });
        self
    }

    /// Leaves the gradient unchecked: the op has none, or the case is too large.
    #[must_use]
    pub fn forward_only(mut self) -> Self {
        self.gradient = false;
        self
    }

    /// Marks float input `i` as having no gradient by design.
    #[must_use]
    pub fn constant(mut self, i: usize) -> Self {
        self.constants.push(i);
        self
    }

    /// Marks a shape that real models have: benchmarked, and left out of gradient checks.
    #[must_use]
    pub fn bench(mut self) -> Self {
        self.bench = true;
        self.gradient = false;
        self
    }
}
