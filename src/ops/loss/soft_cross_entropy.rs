//! Cross-entropy of softmax from target probabilities, with its gradient in the same kernel.

use serde::{Deserialize, Serialize};

use super::softmax_cross_entropy::residual_times_loss_gradient;
use crate::error::ShapeError;
use crate::graph::{
    Caps, Case, Cost, Fill, HostIo, HostKernel, Kernel, Lowering, OpDef, Operand, Signature, Vjp,
};
use crate::ops::kit::{
    StableRow, exponential_sum_ulps, operands, row_lowerings, rows_of, same_type, sum_ulps,
};
use crate::ops::{Binary, LogSoftmax, Scale, View};
use crate::tensor::parallel::for_each_chunk_of;
use crate::tensor::{Real, TensorType, Tolerance};

/// `loss[r] = -sum_c t[r, c] log p[r, c]` with `p = softmax(logits[r])`, for targets that are
/// probabilities (any targets give the right gradient).
///
/// Inputs: logits `[n, c]`, targets f32 `[n, c]`. Outputs: loss `[n]`, residual `[n, c]`, which is
/// the gradient of the loss with respect to the logits: `p - t` where the targets sum to one.
///
/// A row of logits with NaN, with `+inf` or with nothing but `-inf` gives NaN; a logit of `-inf` is
/// no loss where its target is zero. The residual has no gradient of its own.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoftCrossEntropy {}

/// Writes the residual of a row in f32 and returns its loss.
fn row_on_host(logits: &[f32], targets: &[f32], residual: &mut [f32]) -> f32 {
    // NaN must stay NaN, which f32::max would hide.
    let larger = |m: f32, &x: &f32| if x > m || x.is_nan() { x } else { m };
    let largest = logits.iter().fold(f32::NEG_INFINITY, larger);
    if !largest.is_finite() {
        residual.fill(f32::NAN);
        return f32::NAN;
    }
    let mut sum = 0.0;
    for (residual, x) in residual.iter_mut().zip(logits) {
        *residual = (x - largest).exp();
        sum += *residual;
    }
    let (log_sum, total) = (sum.ln(), targets.iter().sum::<f32>());
    let mut loss = 0.0;
    for ((residual, x), t) in residual.iter_mut().zip(logits).zip(targets) {
        if *t != 0.0 {
            loss += t * (largest - x + log_sum);
        }
        *residual = total * (*residual / sum) - t;
    }
    loss
}

impl OpDef for SoftCrossEntropy {
    const NAME: &'static str = "soft_cross_entropy";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [logits, targets] = operands(Self::NAME, inputs)?;
        let [rows, _] = logits.ranked(Self::NAME, "logits")?;
        rows_of(Self::NAME, ("logits", logits))?;
        same_type(Self::NAME, ("logits", logits), ("targets", targets))?;
        Ok(vec![TensorType::f32([rows]), logits.clone()])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let (logits, targets) = (io.inputs.float(0), io.inputs.float(1));
        let [_, columns] = io.inputs.dims(0);
        let [loss, residual] = io.outputs.floats();
        for_each_chunk_of([loss, residual], [1, columns], &|row, [loss, residual]| {
            let logits = &logits[row * columns..][..columns];
            let targets = &targets[row * columns..][..columns];
            let Some(row) = StableRow::new(logits) else {
                residual.fill(T::from_f64(f64::NAN));
                loss[0] = T::from_f64(f64::NAN);
                return;
            };
            let total: f64 = targets.iter().map(|t| t.to_f64()).sum();
            let mut sum = 0.0;
            for ((residual, &x), t) in residual.iter_mut().zip(logits).zip(targets) {
                let (t, minus_log_p) = (t.to_f64(), row.below(x) + row.log_sum);
                if t != 0.0 {
                    sum += t * minus_log_p;
                }
                *residual = T::from_f64(total * (-minus_log_p).exp() - t);
            }
            loss[0] = T::from_f64(sum);
        });
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let (rows, columns) = sig.inputs[0].rows_columns();
        let kernel = Kernel::new("soft_cross_entropy")
            .file(include_str!("../../../shaders/loss/soft_cross_entropy.wgsl"))
            .read(Operand::Input(0))
            .read(Operand::Input(1))
            .write(Operand::Output(0))
            .write(Operand::Output(1));
        row_lowerings(&kernel, rows, columns, caps)
    }

    fn host_kernels(&self, _sig: &Signature) -> Vec<HostKernel> {
        vec![HostKernel::new("rows", |io, _| {
            let (logits, targets) = (io.inputs.float(0), io.inputs.float(1));
            let [_, columns] = io.inputs.dims(0);
            let [loss, residual] = io.outputs.floats();
            for_each_chunk_of([loss, residual], [1, columns], &|row, [loss, residual]| {
                let logits = &logits[row * columns..][..columns];
                let targets = &targets[row * columns..][..columns];
                loss.fill(row_on_host(logits, targets, residual));
            });
        })]
    }

    fn vjp(&self, v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        let Some(dlogits) = residual_times_loss_gradient("soft_cross_entropy", v)? else {
            return Ok(());
        };
        v.set(0, dlogits);
        if let (true, Some(dloss)) = (v.wants(1), v.dy(0)) {
            let logits = v.x(0);
            let rows = v.ty(dloss).elements();
            let log_p = v.push(LogSoftmax {}, &[logits])?;
            let minus_log_p = v.push(Scale::NEGATE, &[log_p])?;
            let dloss = v.push(View::reshape([rows, 1]), &[dloss])?;
            let dtargets = v.push(Binary::MULTIPLY, &[minus_log_p, dloss])?;
            v.set(1, dtargets);
        }
        Ok(())
    }

    fn tolerance(&self, sig: &Signature) -> Tolerance {
        let (_, columns) = sig.inputs[0].rows_columns();
        // p - t cancels: p carries the errors of two sums and of a quotient of at most one.
        Tolerance::ulps(exponential_sum_ulps(columns) + 2.0 * sum_ulps(columns) + 8.0)
            .plus_absolute_ulps(4.0 + 2.0 * sum_ulps(columns))
    }

    fn cost(&self, sig: &Signature) -> Cost {
        // Maximum, difference, exponential (about 20), sums; again for the residual.
        Cost::of(sig, 50 * sig.inputs[0].elements())
    }

    fn cases() -> Vec<Case> {
        let case = |rows: usize, columns: usize| {
            Case::new(format!("{rows}x{columns}"), SoftCrossEntropy {})
                .normal([rows, columns])
                .input(TensorType::f32([rows, columns]), Fill::Probabilities)
        };
        let given = |name: &str, x: &[f32], t: &[f32]| {
            let ty = TensorType::f32([x.len() / 3, 3]);
            Case::new(name, SoftCrossEntropy {})
                .input(ty.clone(), Fill::Floats(x.to_vec()))
                .input(ty, Fill::Floats(t.to_vec()))
                .forward_only()
        };
        const NAN: f32 = f32::NAN;
        const INF: f32 = f32::INFINITY;
        let mut bench = case(128, 10).bench();
        bench.name = "bench_128x10".to_owned();
        vec![
            case(1, 1),
            case(1, 10),
            case(5, 1),
            case(7, 13),
            case(3, 257).forward_only(),
            case(70_001, 2).forward_only(),
            given(
                "extremes",
                &[1e4, -1e4, 0.0, -1e4, 1e4, 1e4, 1e37, -1e37, 0.0, -90.0, -100.0, -110.0],
                &[1.0, 0.0, 0.0, 0.5, 0.25, 0.25, 0.0, 1.0, 0.0, 0.2, 0.3, 0.5],
            ),
            given(
                // Losses down to 1e-26: they feel every error of the logarithm near one.
                "tiny_loss",
                &[0.0, -9.0, -10.0, -20.0, 0.0, -21.0, -40.0, -41.0, 0.0, 0.0, -60.0, -61.0],
                &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0],
            ),
            given(
                "targets_of_any_sum",
                &[0.5, -0.5, 1.0, 2.0, 0.0, 0.0],
                &[0.0, 0.0, 0.0, 2.0, 1.0, 0.5],
            ),
            given(
                "non_finite",
                &[-INF, 0.0, 1.0, -INF, 0.0, 1.0, INF, 0.0, 1.0, NAN, 0.0, 1.0, -INF, -INF, -INF],
                &[0.0, 0.5, 0.5, 0.5, 0.5, 0.0, 0.5, 0.5, 0.0, 0.0, 0.5, 0.5, 1.0, 0.0, 0.0],
            ),
            bench,
        ]
    }
}
