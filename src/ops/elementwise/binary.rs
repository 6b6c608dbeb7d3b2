//! Sum, difference, product and quotient of two tensors, the second one broadcast.

use serde::{Deserialize, Serialize};

use crate::error::ShapeError;
use crate::graph::{
    Caps, Case, Cost, Epilogue, Fill, HalfForm, HostIo, HostKernel, Kernel, Lowering, OpDef,
    Operand, Part, Signature, Value, Vjp,
};
use crate::ops::kit::{BinaryFunction, Repeat, Unit, binary, name_of, of_dtype, operands};
use crate::ops::{Reduce, Scale, SumColumns, SumRows, View};
use crate::tensor::parallel::for_each_block;
use crate::tensor::{DType, Real, TensorType, Tolerance};

/// `y = f(a, b)`, element by element.
///
/// Inputs: `a` of any shape; `b` of the same shape, or `[columns]` (repeated for every row), or
/// `[rows, 1]` (repeated along the last dimension), or one element. Output: the shape of `a`.
/// The bias of a layer is an addition of `[columns]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binary {
    /// The function.
    pub function: BinaryFunction,
    /// Whether `b` is `[columns]`: a bias, that a matmul or convolution can take as its epilogue.
    #[serde(default)]
    pub per_column: bool,
}

impl Binary {
    /// `a + b`, both of one shape, or `b` of one element.
    pub const ADD: Self = Self { function: BinaryFunction::Add, per_column: false };
    /// `a * b`, both of one shape, or `b` of one element or `[rows, 1]`.
    pub const MULTIPLY: Self = Self { function: BinaryFunction::Multiply, per_column: false };
    /// `a + b` with `b` `[columns]`.
    pub const BIAS: Self = Self { function: BinaryFunction::Add, per_column: true };

    /// How `b` is repeated along `a`.
    pub(in crate::ops) fn repeat(
        &self,
        a: &TensorType,
        b: &TensorType,
    ) -> Result<Repeat, ShapeError> {
        of_dtype("binary", ("a", a), DType::F32)?;
        of_dtype("binary", ("b", b), DType::F32)?;
        let (rows, columns) = a.rows_columns();
        let elements = a.elements().max(1);
        if self.per_column && b.dims() == [columns] {
            return Ok(Repeat { divide: 1, modulo: columns.max(1) });
        }
        if !self.per_column && a.shape == b.shape {
            return Ok(Repeat { divide: 1, modulo: elements });
        }
        if !self.per_column && b.elements() == 1 {
            return Ok(Repeat { divide: elements, modulo: 1 });
        }
        if !self.per_column && b.dims() == [rows, 1] {
            return Ok(Repeat { divide: columns.max(1), modulo: rows.max(1) });
        }
        let expected = if self.per_column {
            format!("[{columns}]")
        } else {
            format!("{}, [{rows}, 1] or one element", a.shape)
        };
        Err(ShapeError::new(
            "binary",
            format!("b must have shape {expected} to go with a {}, it has {}", a.shape, b.shape),
        ))
    }

    fn combine(&self, a: f64, b: f64) -> f64 {
        match self.function {
            BinaryFunction::Add => a + b,
            BinaryFunction::Subtract => a - b,
            BinaryFunction::Multiply => a * b,
            BinaryFunction::Divide => a / b,
        }
    }

    /// Sums a gradient of the shape of `a` down to the shape of `b`.
    fn reduce_to_b(&self, v: &mut Vjp<'_>, gradient: Value) -> Result<Value, ShapeError> {
        let (a, b) = (v.ty(v.x(0)), v.ty(v.x(1)));
        if self.per_column {
            return v.push(SumRows {}, &[gradient]);
        }
        if a.shape == b.shape {
            return Ok(gradient);
        }
        let sum = if b.elements() == 1 {
            v.push(Reduce::SUM, &[gradient])?
        } else {
            v.push(SumColumns {}, &[gradient])?
        };
        v.push(View::reshape(b.shape), &[sum])
    }
}

impl OpDef for Binary {
    const NAME: &'static str = "binary";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [a, b] = operands(Self::NAME, inputs)?;
        self.repeat(a, b)?;
        Ok(vec![a.clone()])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let (a, b) = (io.inputs.float(0), io.inputs.float(1));
        let repeat =
            self.repeat(io.inputs.ty(0), io.inputs.ty(1)).expect("infer has checked the shapes");
        for_each_block(io.outputs.float(0), &|start, y| {
            for (i, y) in (start..).zip(y) {
                let b_i = b[(i / repeat.divide) % repeat.modulo];
                *y = T::from_f64(self.combine(a[i].to_f64(), b_i.to_f64()));
            }
        });
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let Ok(repeat) = self.repeat(&sig.inputs[0], &sig.inputs[1]) else {
            return Vec::new();
        };
        let function = match self.function {
            BinaryFunction::Add => 0,
            BinaryFunction::Subtract => 1,
            BinaryFunction::Multiply => 2,
            BinaryFunction::Divide => 3,
        };
        let elements = sig.outputs[0].elements();
        let variants = repeat.units(elements).into_iter().map(|Unit { lanes, repeat, small }| {
            let kernel = lanes
                .declare(Kernel::new("binary"))
                .alias("B_FLOATS", small)
                .constant("FUNCTION", function)
                .constant("B_DIVIDE", repeat.divide)
                .constant("B_MODULO", repeat.modulo)
                .flat(elements / lanes.count(), 64, caps)
                .file(include_str!("../../../shaders/elementwise/binary.wgsl"))
                .read(Operand::Input(0))
                .read(Operand::Input(1))
                .write(Operand::Output(0));
            Lowering::single(&lanes.variant("one_per_thread"), kernel)
        });
        variants.collect()
    }

    fn part(&self, sig: &Signature, _part: Part) -> Option<Self> {
        let [a, b] = &sig.inputs[..] else { return None };
        let alike = a.shape == b.shape || b.elements() == 1;
        (!self.per_column && alike).then(|| self.clone())
    }

    fn host_kernels(&self, sig: &Signature) -> Vec<HostKernel> {
        let repeat = self.repeat(&sig.inputs[0], &sig.inputs[1]);
        repeat.map(|repeat| binary(self.function, repeat)).unwrap_or_default()
    }

    fn half_forms(&self) -> &'static [HalfForm] {
        const FORMS: &[HalfForm] = &[HalfForm::new(&[0, 1], &[0])];
        // What is added to each row is a parameter.
        if self.per_column { HalfForm::FIRST } else { FORMS }
    }

    fn vjp(&self, v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        let Some(dy) = v.dy(0) else { return Ok(()) };
        let (a, b) = (v.x(0), v.x(1));
        let with = |function| Self { function, per_column: self.per_column };
        if v.wants(0) {
            let da = match self.function {
                BinaryFunction::Add | BinaryFunction::Subtract => dy,
                BinaryFunction::Multiply | BinaryFunction::Divide => {
                    v.push(with(self.function), &[dy, b])?
                }
            };
            v.set(0, da);
        }
        if v.wants(1) {
            let full = match self.function {
                BinaryFunction::Add => dy,
                BinaryFunction::Multiply => v.push(Self::MULTIPLY, &[dy, a])?,
                BinaryFunction::Subtract => v.push(Scale::NEGATE, &[dy])?,
                BinaryFunction::Divide => {
                    // d(a / b)/db = -(a / b) / b = -y / b.
                    let scaled = v.push(Self::MULTIPLY, &[dy, v.y(0)])?;
                    let quotient = v.push(with(BinaryFunction::Divide), &[scaled, b])?;
                    v.push(Scale::NEGATE, &[quotient])?
                }
            };
            let db = self.reduce_to_b(v, full)?;
            v.set(1, db);
        }
        Ok(())
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        // WebGPU grants division 2.5 ulp.
        Tolerance::ulps(if self.function == BinaryFunction::Divide { 2.5 } else { 1.0 })
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, sig.outputs[0].elements())
    }

    fn as_epilogues(&self) -> Vec<(usize, Epilogue)> {
        match (self.function, self.per_column) {
            (BinaryFunction::Add, true) => vec![(0, Epilogue::Bias)],
            // Either term may be the one that the op before makes.
            (BinaryFunction::Add, false) => vec![(0, Epilogue::Residual), (1, Epilogue::Residual)],
            _ => Vec::new(),
        }
    }

    fn cases() -> Vec<Case> {
        let mut cases = Vec::new();
        let away_from_zero = || Fill::Uniform(0.5, 2.0);
        for function in [
            BinaryFunction::Add,
            BinaryFunction::Subtract,
            BinaryFunction::Multiply,
            BinaryFunction::Divide,
        ] {
            let name = name_of(&function);
            for (kind, per_column, b) in [
                ("same", false, vec![5, 13]),
                ("columns", true, vec![13]),
                ("rows", false, vec![5, 1]),
                ("one", false, vec![1]),
            ] {
                cases.push(
                    Case::new(format!("{name}_{kind}"), Binary { function, per_column })
                        .normal([5, 13])
                        .input(TensorType::f32(b), away_from_zero()),
                );
            }
        }
        // Sizes that vectors of four fit, in a, in b or in neither.
        for (kind, per_column, b) in [
            ("same", false, vec![3, 8]),
            ("columns", true, vec![8]),
            ("rows", false, vec![3, 1]),
            ("one", false, vec![1]),
        ] {
            cases.push(
                Case::new(
                    format!("vectors_{kind}"),
                    Binary { function: BinaryFunction::Divide, per_column },
                )
                .normal([3, 8])
                .input(TensorType::f32(b), away_from_zero()),
            );
        }
        cases.push(Case::new("no_vectors", Binary::BIAS).normal([4, 6]).normal([6]));
        for (name, b) in [("long", 1501), ("long_and_one", 1)] {
            let case = Case::new(name, Binary::ADD).normal([1501]).normal([b]);
            cases.push(case.forward_only());
        }
        cases.push(Case::new("one_element", Binary::ADD).normal([1]).normal([1]));
        cases.push(Case::new("add_rows_of_two", Binary::ADD).normal([7, 2]).normal([7, 1]));
        cases.push(
            Case::new("many_workgroups", Binary::MULTIPLY)
                .normal([65_536 * 64 + 3, 1])
                .normal([1])
                .forward_only(),
        );
        cases.push(
            Case::new("add_non_finite", Binary::ADD)
                .input(TensorType::f32([41]), Fill::Special)
                .normal([41])
                .forward_only(),
        );
        cases.push(
            Case::new("bench_bias_128x26x26x32", Binary::BIAS)
                .normal([128, 26, 26, 32])
                .normal([32])
                .bench(),
        );
        cases
    }
}
