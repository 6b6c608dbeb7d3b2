//! Activation functions and their gradients, element by element.

use serde::{Deserialize, Serialize};

use crate::error::ShapeError;
use crate::graph::{
    Activation, Caps, Case, Cost, Epilogue, Fill, HalfForm, HostIo, HostKernel, Kernel, Lowering,
    OpDef, Operand, Part, Signature, Value, Vjp,
};
use crate::ops::kit::{
    FLUSHED, LARGEST_COTANGENT, Lanes, activate, multiply_by_derivative, name_of, of_dtype,
    operands, same_type,
};
use crate::tensor::parallel::for_each_block;
use crate::tensor::{DType, Real, TensorType, Tolerance};

/// `y = f(x)`, element by element. Input and output: any shape.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Activate {
    /// The function.
    pub function: Activation,
}

/// `dx = dy f'(x)`. Inputs: `value`, `dy`, of one shape; `value` is `f(x)` where the derivative
/// can be computed from it ([`Activation::derivative_from_output`]), else `x`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivateGrad {
    /// The function.
    pub function: Activation,
}

impl Activation {
    /// Allowed error in ulps: that of `exp` and `tanh` in `shaders/common/` is below 2, WebGPU
    /// grants division 2.5, and a few operations are rounded. The polynomial of gelu
    /// (`shaders/common/activation/normal.wgsl`) is off by 3, and by 2.4 for each of its quotient: 9
    /// with those of `exp`, products, the difference from one and the reference, 3, make 12.
    pub(in crate::ops) fn ulps(self) -> f64 {
        match self {
            Self::Identity | Self::Relu | Self::Relu6 => 1.0,
            Self::LeakyRelu => 2.0,
            Self::Sigmoid | Self::Tanh => 5.0,
            Self::GeluTanh | Self::Silu => 6.0,
            Self::Gelu => 12.0,
        }
    }

    /// Allowed absolute error in ulps of one. The argument `t` of the gate of gelu_tanh is
    /// rounded by about five units, which its tail `|x| exp(-t)`, with `|x|` near `t / 1.6`, turns into at
    /// most `5 / 1.6 t^2 exp(-t) < 2` units. That of gelu, `t = x^2 / 2`, is rounded by half a unit, which
    /// its tail, below `0.4 exp(-t)`, turns into at most `0.2 t exp(-t) < 0.1` units. Results of the others may be flushed to zero, times an `x`
    /// below 100.
    pub(in crate::ops) fn absolute_ulps(self) -> f64 {
        match self {
            Self::Identity | Self::Relu | Self::Relu6 | Self::LeakyRelu => 0.0,
            Self::Sigmoid | Self::Tanh | Self::Silu => 100.0 * FLUSHED,
            Self::GeluTanh => 2.0,
            Self::Gelu => 0.1,
        }
    }

    /// Allowed absolute error of the derivative, in ulps of one: sums of terms near one cancel in
    /// those of both gelu and of silu.
    pub(in crate::ops) fn derivative_absolute_ulps(self) -> f64 {
        match self {
            Self::Gelu | Self::GeluTanh | Self::Silu => 6.0,
            other => other.absolute_ulps(),
        }
    }
}

impl ActivateGrad {
    /// In the gradient rule of an op that ends in `function`: the gradient before the function.
    /// The op must have one output, and a function whose derivative its output gives.
    pub(in crate::ops) fn of_output(
        v: &mut Vjp<'_>,
        function: Activation,
        dy: Value,
    ) -> Result<Value, ShapeError> {
        if function == Activation::Identity {
            return Ok(dy);
        }
        if !function.derivative_from_output() {
            return Err(ShapeError::new(
                "activate_grad",
                format!("the derivative of {function:?} needs the input, which fusion has removed"),
            ));
        }
        let y = v.y(0);
        v.push(Self { function }, &[y, dy])
    }
}

/// Adds an activation function and the file that applies it to each element.
fn with_function(kernel: Kernel, function: Activation, lanes: Lanes, file: &str) -> Kernel {
    kernel.activation(function).file(lanes.activation_file()).file(file)
}

/// NaN of both signs, infinities, and numbers beside them.
const NO_NUMBERS: [f32; 8] =
    [1.0, f32::NAN, -1.0, -f32::NAN, f32::INFINITY, -0.0, f32::NEG_INFINITY, 7.0];

impl OpDef for Activate {
    const NAME: &'static str = "activate";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x] = operands(Self::NAME, inputs)?;
        of_dtype(Self::NAME, ("x", x), DType::F32)?;
        Ok(vec![x.clone()])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let x = io.inputs.float(0);
        for_each_block(io.outputs.float(0), &|start, y| {
            for (y, x) in y.iter_mut().zip(&x[start..]) {
                *y = T::from_f64(self.function.apply(x.to_f64()));
            }
        });
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        Lanes::one_per_thread("activate", sig.outputs[0].elements(), caps, |kernel, lanes| {
            let file = include_str!("../../../shaders/elementwise/activate.wgsl");
            with_function(kernel, self.function, lanes, file)
                .read(Operand::Input(0))
                .write(Operand::Output(0))
        })
    }

    fn part(&self, _sig: &Signature, _part: Part) -> Option<Self> {
        Some(self.clone())
    }

    fn host_kernels(&self, _sig: &Signature) -> Vec<HostKernel> {
        let function = self.function;
        vec![HostKernel::new("blocks", move |io, _| {
            let x = io.inputs.float(0);
            for_each_block(io.outputs.float(0), &|start, y| {
                y.copy_from_slice(&x[start..start + y.len()]);
                activate(function, y);
            });
        })]
    }

    fn half_forms(&self) -> &'static [HalfForm] {
        HalfForm::FIRST
    }

    fn vjp(&self, v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        let Some(dy) = v.dy(0) else { return Ok(()) };
        let value = if self.function.derivative_from_output() { v.y(0) } else { v.x(0) };
        let dx = v.push(ActivateGrad { function: self.function }, &[value, dy])?;
        v.set(0, dx);
        Ok(())
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        Tolerance::ulps(self.function.ulps()).plus_absolute_ulps(self.function.absolute_ulps())
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, sig.outputs[0].elements())
    }

    fn as_epilogues(&self) -> Vec<(usize, Epilogue)> {
        // A function whose derivative needs its input cannot hide it inside another op.
        let from_output = self.function.derivative_from_output();
        from_output.then_some((0, Epilogue::Activation(self.function))).into_iter().collect()
    }

    fn cases() -> Vec<Case> {
        let mut cases: Vec<Case> = Activation::ALL
            .into_iter()
            .map(|function| {
                let case = Case::new(name_of(&function), Activate { function });
                // Away from the kink of relu, where a finite difference means nothing.
                case.input(TensorType::f32([3, 67]), Fill::Distinct)
            })
            .collect();
        let relu = Activate { function: Activation::Relu };
        cases.push(Case::new("one_element", relu.clone()).normal([1]));
        cases.push(Case::new("long", relu.clone()).normal([1501]).forward_only());
        cases.push(
            Case::new("many_workgroups", relu.clone()).normal([65_536 * 64 + 3]).forward_only(),
        );
        let extremes = vec![
            -1e30, -100.0, -87.4, -20.0, -13.3, -13.1, -1e-20, -0.0, 0.0, 1e-30, 1e-3, 20.0, 80.0,
            100.0, 1e30,
        ];
        for function in Activation::ALL {
            cases.push(
                Case::new(format!("extremes_{}", name_of(&function)), Activate { function })
                    .input(TensorType::f32([extremes.len()]), Fill::Floats(extremes.clone()))
                    .forward_only(),
            );
        }
        for function in Activation::ALL {
            let name = name_of(&function);
            cases.push(
                Case::new(format!("tails_{name}"), Activate { function })
                    .input(TensorType::f32([40, 32]), Fill::Uniform(-12.0, 12.0))
                    .forward_only(),
            );
            for (kind, values) in [("one_by_one", &NO_NUMBERS[1..]), ("vectors", &NO_NUMBERS[..])] {
                cases.push(
                    Case::new(format!("nan_{name}_{kind}"), Activate { function })
                        .input(TensorType::f32([values.len()]), Fill::Floats(values.to_vec()))
                        .forward_only(),
                );
            }
        }
        cases.push(Case::new("bench_128x26x26x32", relu).normal([128, 26, 26, 32]).bench());
        cases
    }
}

impl OpDef for ActivateGrad {
    const NAME: &'static str = "activate_grad";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [value, dy] = operands(Self::NAME, inputs)?;
        of_dtype(Self::NAME, ("dy", dy), DType::F32)?;
        same_type(Self::NAME, ("value", value), ("dy", dy))?;
        Ok(vec![dy.clone()])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let (value, dy) = (io.inputs.float(0), io.inputs.float(1));
        for_each_block(io.outputs.float(0), &|start, dx| {
            let operands = value[start..].iter().zip(&dy[start..]);
            for (dx, (value, dy)) in dx.iter_mut().zip(operands) {
                let value = value.to_f64();
                *dx = T::from_f64(dy.to_f64() * self.function.derivative(value, value));
            }
        });
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        Lanes::one_per_thread("activate_grad", sig.outputs[0].elements(), caps, |kernel, lanes| {
            let file = include_str!("../../../shaders/elementwise/activate_grad.wgsl");
            with_function(kernel, self.function, lanes, file)
                .read(Operand::Input(0))
                .read(Operand::Input(1))
                .write(Operand::Output(0))
        })
    }

    fn part(&self, _sig: &Signature, _part: Part) -> Option<Self> {
        Some(self.clone())
    }

    fn host_kernels(&self, _sig: &Signature) -> Vec<HostKernel> {
        let function = self.function;
        vec![HostKernel::new("blocks", move |io, _| {
            let (value, dy) = (io.inputs.float(0), io.inputs.float(1));
            for_each_block(io.outputs.float(0), &|start, dx| {
                let range = start..start + dx.len();
                dx.copy_from_slice(&dy[range.clone()]);
                multiply_by_derivative(function, &value[range], dx);
            });
        })]
    }

    fn half_forms(&self) -> &'static [HalfForm] {
        const FORMS: &[HalfForm] = &[HalfForm::new(&[0, 1], &[0])];
        FORMS
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        Tolerance::ulps(self.function.ulps() + 2.0)
            .plus_absolute_ulps(LARGEST_COTANGENT * self.function.derivative_absolute_ulps())
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, 2 * sig.outputs[0].elements())
    }

    fn as_epilogues(&self) -> Vec<(usize, Epilogue)> {
        // `dy` may be what a product made.
        let from_output = self.function.derivative_from_output();
        from_output.then_some((1, Epilogue::Derivative(self.function))).into_iter().collect()
    }

    fn cases() -> Vec<Case> {
        let mut cases: Vec<Case> = Activation::ALL
            .into_iter()
            .map(|function| {
                Case::new(name_of(&function), ActivateGrad { function })
                    .input(TensorType::f32([3, 67]), Fill::Uniform(-1.0, 1.0))
                    .normal([3, 67])
                    .forward_only()
            })
            .collect();
        // Those whose derivative is one of the argument, which may be any number.
        let smooth = [Activation::Gelu, Activation::GeluTanh, Activation::Silu];
        for function in smooth.into_iter().chain([Activation::Relu6]) {
            cases.push(
                Case::new(format!("tails_{}", name_of(&function)), ActivateGrad { function })
                    .input(TensorType::f32([40, 32]), Fill::Uniform(-12.0, 12.0))
                    .normal([40, 32])
                    .forward_only(),
            );
        }
        // Also where the slope of gelu is zero, and beside its kinks of f32.
        let extremes = vec![
            -1e30, -100.0, -20.1, -20.0, -13.3, -13.1, -5.0, -0.751_79, -1e-3, -1e-20, -1e-38,
            -0.0, 0.0, 1e-38, 1e-20, 1e-3, 0.751_79, 5.0, 13.1, 20.0, 20.1, 100.0, 1e30,
        ];
        for function in [Activation::Gelu, Activation::GeluTanh] {
            cases.push(
                Case::new(format!("extremes_{}", name_of(&function)), ActivateGrad { function })
                    .input(TensorType::f32([extremes.len()]), Fill::Floats(extremes.clone()))
                    .normal([extremes.len()])
                    .forward_only(),
            );
        }
        for function in Activation::ALL {
            for (kind, dims) in [("one_by_one", [129]), ("vectors", [128])] {
                let name = format!("non_finite_{}_{kind}", name_of(&function));
                let case = Case::new(name, ActivateGrad { function });
                let case = case.input(TensorType::f32(dims), Fill::Special).normal(dims);
                cases.push(case.forward_only());
            }
            let n = NO_NUMBERS.len();
            let name = format!("nan_{}", name_of(&function));
            let case = Case::new(name, ActivateGrad { function });
            let case = case.input(TensorType::f32([n]), Fill::Floats(NO_NUMBERS.to_vec()));
            cases.push(case.normal([n]).forward_only());
            let name = format!("non_finite_dy_{}", name_of(&function));
            // Where the derivative is zero, compilers may put zero in place of the product.
            let value = (TensorType::f32([64]), Fill::Uniform(0.1, 0.9));
            let case = Case::new(name, ActivateGrad { function }).input(value.0, value.1);
            cases.push(case.input(TensorType::f32([64]), Fill::Special).forward_only());
        }
        let relu = ActivateGrad { function: Activation::Relu };
        cases.push(
            Case::new("bench_128x26x26x32", relu)
                .normal([128, 26, 26, 32])
                .normal([128, 26, 26, 32])
                .bench(),
        );
        cases
    }
}
