//! Softmax over the last dimension, and its gradient.

use serde::{Deserialize, Serialize};

use crate::error::ShapeError;
use crate::graph::{
    Caps, Case, Cost, Fill, HostIo, Kernel, Lowering, OpDef, Operand, Signature, Vjp,
};
use crate::ops::kit::{
    FLUSHED, LARGEST_COTANGENT, StableRow, exponential_sum_ulps, operands, row_lowerings, rows_of,
    same_type, sum_ulps,
};
use crate::tensor::parallel::for_each_chunk;
use crate::tensor::{Real, TensorType, Tolerance};

/// `y[r, c] = exp(x[r, c]) / sum_k exp(x[r, k])`. Input and output: any shape, whose last dimension
/// is the columns.
///
/// A row with NaN, with `+inf` or with nothing but `-inf` gives NaN.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Softmax {}

/// `dx[r, c] = y[r, c] (dy[r, c] - sum_k y[r, k] dy[r, k])`. Inputs: `y`, the result of [`Softmax`],
/// and `dy`, of one shape.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoftmaxGrad {}

/// Lowerings of softmax, or of its logarithm.
pub(in crate::ops) fn softmax_lowerings(
    sig: &Signature,
    logarithm: bool,
    caps: &Caps,
) -> Vec<Lowering> {
    let (rows, columns) = sig.inputs[0].rows_columns();
    let kernel = Kernel::new("softmax")
        .constant("LOGARITHM", usize::from(logarithm))
        .file(include_str!("../../../shaders/rows/softmax.wgsl"))
        .read(Operand::Input(0))
        .write(Operand::Output(0));
    row_lowerings(&kernel, rows, columns, caps)
}

/// Lowerings of the gradient of softmax, or of its logarithm.
pub(in crate::ops) fn grad_lowerings(
    sig: &Signature,
    logarithm: bool,
    caps: &Caps,
) -> Vec<Lowering> {
    let (rows, columns) = sig.inputs[0].rows_columns();
    let kernel = Kernel::new("softmax_grad")
        .constant("LOGARITHM", usize::from(logarithm))
        .file(include_str!("../../../shaders/rows/softmax_grad.wgsl"))
        .read(Operand::Input(0))
        .read(Operand::Input(1))
        .write(Operand::Output(0));
    row_lowerings(&kernel, rows, columns, caps)
}

/// Checks the inputs `y` and `dy` of a gradient op and gives the type of `dx`.
pub(in crate::ops) fn infer_grad(
    op: &str,
    inputs: &[TensorType],
) -> Result<Vec<TensorType>, ShapeError> {
    let [y, dy] = operands(op, inputs)?;
    rows_of(op, ("y", y))?;
    same_type(op, ("y", y), ("dy", dy))?;
    Ok(vec![dy.clone()])
}

impl OpDef for Softmax {
    const NAME: &'static str = "softmax";

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
                        *y = T::from_f64((-row.below(x) - row.log_sum).exp());
                    }
                }
                None => y.fill(T::from_f64(f64::NAN)),
            }
        });
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        softmax_lowerings(sig, false, caps)
    }

    fn vjp(&self, v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        let Some(dy) = v.dy(0) else { return Ok(()) };
        let y = v.y(0);
        let dx = v.push(SoftmaxGrad {}, &[y, dy])?;
        v.set(0, dx);
        Ok(())
    }

    fn tolerance(&self, sig: &Signature) -> Tolerance {
        let (_, columns) = sig.inputs[0].rows_columns();
        // WebGPU grants division 2.5 ulp.
        Tolerance::ulps(exponential_sum_ulps(columns) + 2.5).plus_absolute_ulps(FLUSHED)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        // Maximum, difference, exponential (about 20), sum; difference, exponential, quotient.
        Cost::of(sig, 45 * sig.inputs[0].elements())
    }

    fn cases() -> Vec<Case> {
        let mut cases: Vec<Case> = SHAPES
            .into_iter()
            .map(|dims| Case::new(format!("{}x{}", dims[0], dims[1]), Softmax {}).normal(dims))
            .collect();
        let (ty, fill) = hazards();
        cases.push(Case::new("hazards", Softmax {}).input(ty, fill).forward_only());
        cases.push(Case::new("rank_3", Softmax {}).normal([2, 3, 4]));
        cases.push(Case::new("4x1000", Softmax {}).normal([4, 1000]).forward_only());
        cases.push(Case::new("many_rows", Softmax {}).normal([70_001, 3]).forward_only());
        cases.push(Case::new("bench_128x10", Softmax {}).normal([128, 10]).bench());
        cases.push(Case::new("bench_64x1000", Softmax {}).normal([64, 1000]).bench());
        cases
    }
}

impl OpDef for SoftmaxGrad {
    const NAME: &'static str = "softmax_grad";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        infer_grad(Self::NAME, inputs)
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let (y, dy) = (io.inputs.float(0), io.inputs.float(1));
        let (_, columns) = io.inputs.ty(0).rows_columns();
        for_each_chunk(io.outputs.float(0), columns, &|row, dx| {
            let (y, dy) = (&y[row * columns..][..columns], &dy[row * columns..][..columns]);
            let dot: f64 = y.iter().zip(dy).map(|(y, dy)| y.to_f64() * dy.to_f64()).sum();
            for ((dx, y), dy) in dx.iter_mut().zip(y).zip(dy) {
                *dx = T::from_f64(y.to_f64() * (dy.to_f64() - dot));
            }
        });
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        grad_lowerings(sig, false, caps)
    }

    fn tolerance(&self, sig: &Signature) -> Tolerance {
        // dy - dot cancels: both are below LARGEST_COTANGENT, the weights y sum to one, and dot
        // carries the error of a sum.
        let (_, columns) = sig.inputs[0].rows_columns();
        let absolute = LARGEST_COTANGENT * (sum_ulps(columns) + 1.0);
        Tolerance::ulps(2.0).plus_absolute_ulps(absolute)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, 4 * sig.inputs[0].elements())
    }

    fn cases() -> Vec<Case> {
        let case = |name: String, dims: [usize; 2]| {
            Case::new(name, SoftmaxGrad {})
                .input(TensorType::f32(dims), Fill::Probabilities)
                .normal(dims)
                .forward_only()
        };
        let mut cases: Vec<Case> =
            SHAPES.into_iter().map(|dims| case(format!("{}x{}", dims[0], dims[1]), dims)).collect();
        cases.push(case("many_rows".to_owned(), [70_001, 3]));
        let mut non_finite = case("non_finite_dy".to_owned(), [67, 10]);
        non_finite.inputs[1].fill = Fill::Special;
        cases.push(non_finite);
        cases.push(case("bench_64x1000".to_owned(), [64, 1000]).bench());
        cases
    }
}

/// Rows of three that feel every hazard: overflow, underflow, ties, infinities, NaN.
pub(in crate::ops) fn hazards() -> (TensorType, Fill) {
    const NAN: f32 = f32::NAN;
    const INF: f32 = f32::INFINITY;
    let rows = [
        [1e4, -1e4, 0.0],
        [-1e4, -1e4, -1e4],
        [1e38, -1e38, 1e38],
        [-87.5, 0.0, -103.0],
        [0.0, -30.0, -60.0],
        [NAN, 0.0, 1.0],
        [INF, 0.0, 1.0],
        [INF, INF, -INF],
        [-INF, 0.0, 1.0],
        [-INF, -INF, -INF],
        [-INF, NAN, INF],
    ];
    (TensorType::f32([rows.len(), 3]), Fill::Floats(rows.concat()))
}

/// Shapes of short rows, long rows, one row, one column, and more rows than workgroups.
pub(in crate::ops) const SHAPES: [[usize; 2]; 6] =
    [[1, 1], [5, 1], [1, 10], [67, 10], [3, 65], [2, 257]];
