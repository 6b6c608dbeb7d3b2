//! What follows the sum of a product: a bias, a residual, and an activation function or the
//! derivative of one.

use crate::error::ShapeError;
use crate::graph::{Activation, Epilogue, HalfForm, Inputs, Value, Vjp};
use crate::ops::elementwise::activation::ActivateGrad;
use crate::ops::kit::{LARGEST_COTANGENT, activate, multiply_by_derivative, of_dtype};
use crate::tensor::{DType, Real, TensorType, Tolerance};

/// Inputs of a product before those of its tail.
const FACTORS: usize = 2;

/// `f(sum + bias[n] + residual)`, or `(sum + bias[n] + residual) g'(value)`.
///
/// The bias `[n]`, the residual and `value` of the result's shape are further inputs behind the two
/// factors, in this order, as far as there are such. `value` is what the function `g` gave.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProductTail {
    /// Whether a bias over the columns is added.
    pub bias: bool,
    /// Whether a tensor of the result's shape is added.
    pub residual: bool,
    /// `f`
    pub activation: Activation,
    /// `g`; then `f` is the identity.
    pub derivative: Option<Activation>,
}

impl ProductTail {
    /// Position of the bias among the inputs.
    pub fn bias_input(self) -> Option<usize> {
        self.bias.then_some(FACTORS)
    }

    /// Position of the residual among the inputs.
    pub fn residual_input(self) -> Option<usize> {
        self.residual.then_some(FACTORS + usize::from(self.bias))
    }

    /// Position of `value` among the inputs.
    pub fn value_input(self) -> Option<usize> {
        let before = FACTORS + usize::from(self.bias) + usize::from(self.residual);
        self.derivative.map(|_| before)
    }

    /// The form in which the first factor, the result, and what has the result's shape are f16.
    pub fn half_forms(self) -> &'static [HalfForm] {
        const fn form(inputs: &'static [usize]) -> HalfForm {
            HalfForm::new(inputs, &[0])
        }
        const TWO: &[HalfForm] = &[form(&[0, 2])];
        const THREE: &[HalfForm] = &[form(&[0, 3])];
        const TWO_THREE: &[HalfForm] = &[form(&[0, 2, 3])];
        const THREE_FOUR: &[HalfForm] = &[form(&[0, 3, 4])];
        match (self.bias, self.residual, self.derivative.is_some()) {
            (_, false, false) => HalfForm::FIRST,
            (false, true, true) => TWO_THREE,
            (true, true, true) => THREE_FOUR,
            (false, ..) => TWO,
            (true, ..) => THREE,
        }
    }

    /// Number of inputs of the product and its tail.
    pub fn input_count(self) -> usize {
        let has_value = usize::from(self.derivative.is_some());
        FACTORS + usize::from(self.bias) + usize::from(self.residual) + has_value
    }

    /// The function whose WGSL or host code the tail needs.
    pub fn function(self) -> Activation {
        self.derivative.unwrap_or(self.activation)
    }

    /// The two factors, once there are as many inputs as the tail asks for.
    pub fn factors<'a>(
        self,
        op: &str,
        inputs: &'a [TensorType],
    ) -> Result<[&'a TensorType; 2], ShapeError> {
        match inputs {
            [a, b, ..] if inputs.len() == self.input_count() => Ok([a, b]),
            _ => Err(ShapeError::new(
                op,
                format!("takes {} inputs, {} were given", self.input_count(), inputs.len()),
            )),
        }
    }

    /// Demands that the further inputs go with a result of shape `y`.
    pub fn check(self, op: &str, inputs: &[TensorType], y: &[usize]) -> Result<(), ShapeError> {
        let columns = y.last().copied().unwrap_or(1);
        let parts = [
            ("bias", self.bias_input(), &[columns][..]),
            ("residual", self.residual_input(), y),
            ("value", self.value_input(), y),
        ];
        for (name, input, dims) in parts {
            let Some(ty) = input.and_then(|input| inputs.get(input)) else { continue };
            of_dtype(op, (name, ty), DType::F32)?;
            if ty.dims() != dims {
                let message = format!("{name} must have shape {dims:?}, it has {}", ty.shape);
                return Err(ShapeError::new(op, message));
            }
        }
        let Some(function) = self.derivative else { return Ok(()) };
        if self.activation != Activation::Identity || !function.derivative_from_output() {
            let message = format!(
                "the derivative of {function:?} must follow no activation, and be one that the \
                 function's value gives"
            );
            return Err(ShapeError::new(op, message));
        }
        Ok(())
    }

    /// The tail with one more step behind it, where there is room.
    pub fn with(self, epilogue: Epilogue) -> Option<Self> {
        if self.activation != Activation::Identity || self.derivative.is_some() {
            return None;
        }
        match epilogue {
            Epilogue::Bias if !self.bias && !self.residual => Some(Self { bias: true, ..self }),
            Epilogue::Residual if !self.residual => Some(Self { residual: true, ..self }),
            Epilogue::Activation(activation) => Some(Self { activation, ..self }),
            Epilogue::Derivative(function) => Some(Self { derivative: Some(function), ..self }),
            Epilogue::Bias | Epilogue::Residual => None,
        }
    }

    /// In a gradient rule: the gradient before the tail. Sets that of the residual.
    pub fn gradient(self, op: &str, v: &mut Vjp<'_>, dy: Value) -> Result<Value, ShapeError> {
        if self.derivative.is_some() {
            Vjp::not_differentiable(op)?;
        }
        let dz = ActivateGrad::of_output(v, self.activation, dy)?;
        if let Some(residual) = self.residual_input().filter(|&input| v.wants(input)) {
            v.set(residual, dz);
        }
        Ok(dz)
    }

    /// The tolerance of a sum of `terms` products with this tail.
    pub fn tolerance(self, terms: usize) -> Tolerance {
        let function = self.function();
        let sum = Tolerance::sum_of(terms + usize::from(self.bias) + usize::from(self.residual));
        let sum = sum.plus_ulps(function.ulps());
        match self.derivative {
            None => sum,
            Some(_) => sum
                .plus_ulps(2.0)
                .plus_absolute_ulps(LARGEST_COTANGENT * function.derivative_absolute_ulps()),
        }
    }

    /// The tail's operands on the host.
    pub fn operands<'a, T: Real>(self, inputs: &Inputs<'a, T>) -> TailOperands<'a, T> {
        let slice = |input: Option<usize>| input.map(|input| inputs.float(input));
        TailOperands {
            tail: self,
            bias: slice(self.bias_input()),
            residual: slice(self.residual_input()),
            value: slice(self.value_input()),
        }
    }
}

/// A tail with the elements of its operands.
#[derive(Debug, Clone, Copy)]
pub struct TailOperands<'a, T> {
    tail: ProductTail,
    bias: Option<&'a [T]>,
    residual: Option<&'a [T]>,
    value: Option<&'a [T]>,
}

impl<T: Real> TailOperands<'_, T> {
    /// The specification: element `i` of the result, in the given column.
    pub fn apply(&self, sum: f64, i: usize, column: usize) -> T {
        T::from_f64(self.apply_f64(sum, i, column))
    }

    /// The same, not rounded to the type of the tensors.
    pub fn apply_f64(&self, sum: f64, i: usize, column: usize) -> f64 {
        let bias = self.bias.map_or(0.0, |bias| bias[column].to_f64());
        let residual = self.residual.map_or(0.0, |residual| residual[i].to_f64());
        let z = sum + bias + residual;
        match (self.tail.derivative, self.value) {
            (Some(function), Some(value)) => {
                let value = value[i].to_f64();
                z * function.derivative(value, value)
            }
            _ => self.tail.activation.apply(z),
        }
    }
}

impl TailOperands<'_, f32> {
    /// Host kernels: the tail over whole rows `y` of sums, the first of which is element `start`
    /// of the result.
    pub fn finish(&self, start: usize, y: &mut [f32]) {
        if let Some(bias) = self.bias.filter(|bias| !bias.is_empty()) {
            for row in y.chunks_mut(bias.len()) {
                add(row, bias);
            }
        }
        if let Some(residual) = self.residual {
            add(y, &residual[start..]);
        }
        match (self.tail.derivative, self.value) {
            (Some(function), Some(value)) => {
                multiply_by_derivative(function, &value[start..start + y.len()], y);
            }
            _ => activate(self.tail.activation, y),
        }
    }
}

fn add(y: &mut [f32], x: &[f32]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += x;
    }
}
