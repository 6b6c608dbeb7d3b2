//! Mean squared error of each row, with its gradient in the same kernel.

use serde::{Deserialize, Serialize};

use super::softmax_cross_entropy::residual_times_loss_gradient;
use crate::error::ShapeError;
use crate::graph::{
    Caps, Case, Cost, Fill, HostIo, HostKernel, Kernel, Lowering, OpDef, Operand, Signature, Vjp,
};
use crate::ops::Scale;
use crate::ops::kit::{FLUSHED, operands, row_lowerings, rows_of, same_type, sum_ulps};
use crate::tensor::parallel::for_each_chunk_of;
use crate::tensor::{Real, TensorType, Tolerance};

/// `loss[r] = sum_c (p[r, c] - t[r, c])^2 / columns`.
///
/// Inputs: prediction and target of one shape, whose last dimension is the columns. Outputs: loss
/// `[rows]`; residual of the shape of the inputs, `2 (p - t) / columns`: the gradient of the loss
/// with respect to the prediction. The residual has no gradient of its own.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeanSquaredError {}

impl OpDef for MeanSquaredError {
    const NAME: &'static str = "mean_squared_error";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [prediction, target] = operands(Self::NAME, inputs)?;
        let (rows, _) = rows_of(Self::NAME, ("prediction", prediction))?;
        same_type(Self::NAME, ("prediction", prediction), ("target", target))?;
        Ok(vec![TensorType::f32([rows]), prediction.clone()])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let (prediction, target) = (io.inputs.float(0), io.inputs.float(1));
        let (_, columns) = io.inputs.ty(0).rows_columns();
        #[expect(clippy::cast_precision_loss, reason = "a length, far below 2^53")]
        let count = columns as f64;
        let [loss, residual] = io.outputs.floats();
        for_each_chunk_of([loss, residual], [1, columns], &|row, [loss, residual]| {
            let prediction = &prediction[row * columns..][..columns];
            let target = &target[row * columns..][..columns];
            let mut sum = 0.0;
            for ((residual, p), t) in residual.iter_mut().zip(prediction).zip(target) {
                let difference = p.to_f64() - t.to_f64();
                sum += difference * difference;
                *residual = T::from_f64(2.0 * difference / count);
            }
            loss[0] = T::from_f64(sum / count);
        });
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let (rows, columns) = sig.inputs[0].rows_columns();
        let kernel = Kernel::new("mean_squared_error")
            .file(include_str!("../../../shaders/loss/mean_squared_error.wgsl"))
            .read(Operand::Input(0))
            .read(Operand::Input(1))
            .write(Operand::Output(0))
            .write(Operand::Output(1));
        row_lowerings(&kernel, rows, columns, caps)
    }

    fn host_kernels(&self, _sig: &Signature) -> Vec<HostKernel> {
        vec![HostKernel::new("rows", |io, _| {
            let (prediction, target) = (io.inputs.float(0), io.inputs.float(1));
            let (_, columns) = io.inputs.ty(0).rows_columns();
            #[expect(clippy::cast_precision_loss, reason = "a length, far below 2^53")]
            let count = columns as f64;
            let factor = f32::from_f64(2.0 / count);
            let [loss, residual] = io.outputs.floats();
            for_each_chunk_of([loss, residual], [1, columns], &|row, [loss, residual]| {
                let prediction = &prediction[row * columns..][..columns];
                let target = &target[row * columns..][..columns];
                let mut sum = 0.0;
                for ((residual, p), t) in residual.iter_mut().zip(prediction).zip(target) {
                    let difference = p - t;
                    sum += f64::from(difference) * f64::from(difference);
                    *residual = factor * difference;
                }
                loss.fill(f32::from_f64(sum / count));
            });
        })]
    }

    fn vjp(&self, v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        let Some(dprediction) = residual_times_loss_gradient("mean_squared_error", v)? else {
            return Ok(());
        };
        v.set(0, dprediction);
        if v.wants(1) {
            let dtarget = v.push(Scale::NEGATE, &[dprediction])?;
            v.set(1, dtarget);
        }
        Ok(())
    }

    fn tolerance(&self, sig: &Signature) -> Tolerance {
        let (_, columns) = sig.inputs[0].rows_columns();
        // A rounded difference, twice in its square; a sum of positive terms; a quotient of 2.5.
        Tolerance::ulps(sum_ulps(columns) + 5.0).plus_absolute_ulps(FLUSHED)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, 5 * sig.inputs[0].elements())
    }

    fn cases() -> Vec<Case> {
        let case = |dims: &[usize]| {
            let joined: Vec<String> = dims.iter().map(usize::to_string).collect();
            Case::new(joined.join("x"), MeanSquaredError {}).normal(dims).normal(dims)
        };
        let mut bench = case(&[128, 784]).bench();
        bench.name = "bench_128x784".to_owned();
        vec![
            case(&[1, 1]),
            case(&[5]),
            case(&[7, 13]),
            case(&[2, 3, 4]),
            case(&[3, 257]).forward_only(),
            case(&[70_001, 2]).forward_only(),
            Case::new("non_finite", MeanSquaredError {})
                .input(TensorType::f32([20, 10]), Fill::Special)
                .normal([20, 10])
                .forward_only(),
            bench,
        ]
    }
}
