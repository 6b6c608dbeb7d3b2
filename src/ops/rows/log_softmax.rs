//! The logarithm of softmax over the last dimension, and its gradient.

use serde::{Deserialize, Serialize};

use super::softmax::{SHAPES, grad_lowerings, hazards, infer_grad, softmax_lowerings};
use crate::error::ShapeError;
use crate::graph::{Caps, Case, Cost, Fill, HostIo, Lowering, OpDef, Signature, Vjp};
use crate::ops::kit::{
    FLUSHED, LARGEST_COTANGENT, StableRow, exponential_sum_ulps, operands, rows_of,
};
use crate::tensor::parallel::for_each_chunk;
use crate::tensor::{Real, TensorType, Tolerance};

/// `y[r, c] = x[r, c] - log sum_k exp(x[r, k])`. Input and output: any shape, whose last dimension
/// is the columns.
///
/// A row with NaN, with `+inf` or with nothing but `-inf` gives NaN.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSoftmax {}

/// `dx[r, c] = dy[r, c] - exp(y[r, c]) sum_k dy[r, k]`. Inputs: `y`, the result of [`LogSoftmax`],
/// and `dy`, of one shape.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSoftmaxGrad {}

impl OpDef for LogSoftmax {
    const NAME: &'static str = "log_softmax";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x] = operands(Self::NAME, inputs)?;
        rows_of(Self::NAME, ("x", x))?;
        Ok(vec![x.clone()])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let x = io.inputs.float(0);
        let (_, columns) = io.inputs.ty(0).rows_columns();
        for_each_chunk(io.outputs.float(0), columns, &|row, y| {
            let x = &x[row * columns..][..columns];
            match StableRow::new(x) {
                Some(row) => {
                    for (y, &x) in y.iter_mut().zip(x) {
                        *y = T::from_f64(-(row.below(x) + row.log_sum));
                    }
                }
                None => y.fill(T::from_f64(f64::NAN)),
            }
        });
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        softmax_lowerings(sig, true, caps)
    }

    fn vjp(&self, v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        let Some(dy) = v.dy(0) else { return Ok(()) };
        let y = v.y(0);
        let dx = v.push(LogSoftmaxGrad {}, &[y, dy])?;
        v.set(0, dx);
        Ok(())
    }

    fn tolerance(&self, sig: &Signature) -> Tolerance {
        let (_, columns) = sig.inputs[0].rows_columns();
        // The logarithm adds 3 ulps; its sum with the distance to the maximum does not cancel.
        Tolerance::ulps(exponential_sum_ulps(columns) + 4.0).plus_absolute_ulps(FLUSHED)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        // Maximum, difference, exponential (about 20), sum; difference, sum.
        Cost::of(sig, 25 * sig.inputs[0].elements())
    }

    fn cases() -> Vec<Case> {
        let mut cases: Vec<Case> = SHAPES
            .into_iter()
            .map(|dims| Case::new(format!("{}x{}", dims[0], dims[1]), LogSoftmax {}).normal(dims))
            .collect();
        let (ty, fill) = hazards();
        cases.push(Case::new("hazards", LogSoftmax {}).input(ty, fill).forward_only());
        cases.push(Case::new("rank_1", LogSoftmax {}).normal([7]));
        cases.push(Case::new("many_rows", LogSoftmax {}).normal([70_001, 3]).forward_only());
        cases.push(Case::new("bench_128x10", LogSoftmax {}).normal([128, 10]).bench());
        cases
    }
}

impl OpDef for LogSoftmaxGrad {
    const NAME: &'static str = "log_softmax_grad";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        infer_grad(Self::NAME, inputs)
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let (y, dy) = (io.inputs.float(0), io.inputs.float(1));
        let (_, columns) = io.inputs.ty(0).rows_columns();
        for_each_chunk(io.outputs.float(0), columns, &|row, dx| {
            let (y, dy) = (&y[row * columns..][..columns], &dy[row * columns..][..columns]);
            let sum: f64 = dy.iter().map(|dy| dy.to_f64()).sum();
            for ((dx, y), dy) in dx.iter_mut().zip(y).zip(dy) {
                *dx = T::from_f64(dy.to_f64() - y.to_f64().exp() * sum);
            }
        });
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        grad_lowerings(sig, true, caps)
    }

    fn tolerance(&self, sig: &Signature) -> Tolerance {
        // The difference cancels: its terms are below LARGEST_COTANGENT and the sum of dy, whose
        // error is that of a sum of terms of that size.
        let (_, columns) = sig.inputs[0].rows_columns();
        Tolerance::sum_of(columns.max(2)).plus_absolute_ulps(2.0 * LARGEST_COTANGENT)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        // Sum; exponential (about 20), product, difference.
        Cost::of(sig, 23 * sig.inputs[0].elements())
    }

    fn cases() -> Vec<Case> {
        let case = |name: String, dims: [usize; 2]| {
            Case::new(name, LogSoftmaxGrad {})
                .input(TensorType::f32(dims), Fill::Uniform(-10.0, -0.01))
                .normal(dims)
                .forward_only()
        };
        let mut cases: Vec<Case> =
            SHAPES.into_iter().map(|dims| case(format!("{}x{}", dims[0], dims[1]), dims)).collect();
        cases.push(case("many_rows".to_owned(), [70_001, 3]));
        cases.push(case("bench_128x10".to_owned(), [128, 10]).bench());
        cases
    }
}
