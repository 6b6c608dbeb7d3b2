//! Reductions over rows or columns.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::operands::{of_dtype, operands};
use super::registry::{OpEntry, attributes};
use crate::error::ShapeError;
use crate::graph::{Caps, Case, Cost, HostIo, Kernel, Lowering, Op, Operand, Signature, Vjp};
use crate::tensor::{DType, Real, TensorType, Tolerance};

pub(super) const ENTRIES: &[OpEntry] = &[
    OpEntry::new::<SumRows>("sum_rows", sum_rows_cases),
    OpEntry::new::<SumColumns>("sum_columns", sum_columns_cases),
];

/// `y[c] = sum_r x[r, c]`. Input: any shape, whose last dimension is the columns. Output:
/// `[columns]`. The gradient of a bias.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SumRows {}

/// `y[r] = sum_c x[r, c]`. Input: any shape, whose last dimension is the columns. Output: `[rows]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SumColumns {}

impl SumRows {
    fn forward<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let x = io.inputs.float(0);
        let [columns] = io.outputs.dims(0);
        io.outputs.float(0).par_iter_mut().enumerate().for_each(|(c, y)| {
            *y = T::from_f64(x.iter().skip(c).step_by(columns).map(|x| x.to_f64()).sum());
        });
    }
}

impl Op for SumRows {
    fn name(&self) -> &'static str {
        "sum_rows"
    }

    fn attributes(&self) -> serde_json::Value {
        attributes(self)
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x] = operands("sum_rows", inputs)?;
        of_dtype("sum_rows", ("x", x), DType::F32)?;
        Ok(vec![TensorType::f32([x.rows_columns().1])])
    }

    fn reference(&self, io: &mut HostIo<'_, f32>) {
        self.forward(io);
    }

    fn reference_f64(&self, io: &mut HostIo<'_, f64>) {
        self.forward(io);
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let (rows, columns) = sig.inputs[0].rows_columns();
        let kernel = Kernel::new("sum_rows")
            .constant("ROWS", rows)
            .constant("COLUMNS", columns)
            .flat(columns, 64, caps)
            .file(include_str!("../../shaders/sum_rows.wgsl"))
            .read(Operand::Input(0))
            .write(Operand::Output(0));
        vec![Lowering::single("one_per_column", kernel)]
    }

    fn vjp(&self, _v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        Vjp::not_differentiable("sum_rows")
    }

    fn tolerance(&self, sig: &Signature) -> Tolerance {
        Tolerance::sum_of(sig.inputs[0].rows_columns().0)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, sig.inputs[0].elements())
    }
}

impl SumColumns {
    fn forward<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let x = io.inputs.float(0);
        let (_, columns) = io.inputs.ty(0).rows_columns();
        io.outputs.float(0).par_iter_mut().enumerate().for_each(|(r, y)| {
            let row = &x[r * columns..(r + 1) * columns];
            *y = T::from_f64(row.iter().map(|x| x.to_f64()).sum());
        });
    }
}

impl Op for SumColumns {
    fn name(&self) -> &'static str {
        "sum_columns"
    }

    fn attributes(&self) -> serde_json::Value {
        attributes(self)
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x] = operands("sum_columns", inputs)?;
        of_dtype("sum_columns", ("x", x), DType::F32)?;
        Ok(vec![TensorType::f32([x.rows_columns().0])])
    }

    fn reference(&self, io: &mut HostIo<'_, f32>) {
        self.forward(io);
    }

    fn reference_f64(&self, io: &mut HostIo<'_, f64>) {
        self.forward(io);
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let (rows, columns) = sig.inputs[0].rows_columns();
        let kernel = Kernel::new("sum_columns")
            .constant("COLUMNS", columns)
            .flat(rows, 64, caps)
            .file(include_str!("../../shaders/sum_columns.wgsl"))
            .read(Operand::Input(0))
            .write(Operand::Output(0));
        vec![Lowering::single("one_per_row", kernel)]
    }

    fn vjp(&self, _v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        Vjp::not_differentiable("sum_columns")
    }

    fn tolerance(&self, sig: &Signature) -> Tolerance {
        Tolerance::sum_of(sig.inputs[0].rows_columns().1)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, sig.inputs[0].elements())
    }
}

fn sum_rows_cases() -> Vec<Case> {
    let mut cases: Vec<Case> = [[1, 1], [1, 7], [129, 1], [257, 33]]
        .into_iter()
        .map(|dims| {
            Case::new(format!("{}x{}", dims[0], dims[1]), SumRows {}).normal(dims).forward_only()
        })
        .collect();
    cases.push(Case::new("bench_128x26x26x32", SumRows {}).normal([128, 26, 26, 32]).bench());
    cases
}

fn sum_columns_cases() -> Vec<Case> {
    [[1, 1], [7, 1], [3, 129], [33, 257]]
        .into_iter()
        .map(|dims| {
            Case::new(format!("{}x{}", dims[0], dims[1]), SumColumns {}).normal(dims).forward_only()
        })
        .collect()
}
