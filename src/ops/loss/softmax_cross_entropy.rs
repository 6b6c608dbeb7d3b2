//! Cross-entropy of softmax from integer labels, with its gradient in the same kernel.

use serde::{Deserialize, Serialize};

use crate::error::ShapeError;
use crate::graph::{
    Caps, Case, Cost, Fill, HostIo, Kernel, Lowering, OpDef, Operand, Signature, Value, Vjp,
};
use crate::ops::Binary;
use crate::ops::kit::{
    FLUSHED, IGNORED_LABEL, StableRow, exponential_sum_ulps, labels_of, operands, row_lowerings,
    rows_of, sample_labels, sum_ulps,
};
use crate::ops::layout::structural::View;
use crate::tensor::parallel::for_each_chunk_of;
use crate::tensor::{Real, TensorType, Tolerance};

/// `loss[r] = -sum_c t[c] log p[c]`, `residual[r, c] = p[c] - t[c]` with `p = softmax(logits[r])`.
///
/// Inputs: logits `[n, c]`, labels u32 `[n]`. Outputs: loss `[n]`, residual `[n, c]`, which is the
/// gradient of the loss with respect to the logits. `t` is `1 - label_smoothing` at the label, plus
/// `label_smoothing / c` everywhere (Szegedy et al., "Rethinking the Inception Architecture for
/// Computer Vision", 2016).
///
/// An [`IGNORED_LABEL`] gives a loss of zero and a residual of zeros. A row with NaN, with `+inf`,
/// with nothing but `-inf`, or with a label that is no class gives NaN. The residual has no
/// gradient of its own.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoftmaxCrossEntropy {
    /// Share of the target that is spread over all classes, in `[0, 1)`.
    #[serde(default)]
    pub label_smoothing: f32,
}

impl SoftmaxCrossEntropy {
    /// Share of the target that each class gets.
    fn off_target(&self, columns: usize) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a length, far below 2^53")]
        let columns = columns as f64;
        f64::from(self.label_smoothing) / columns
    }

    /// Adds the constants of the kernel.
    pub(super) fn declare(&self, kernel: Kernel, columns: usize) -> Kernel {
        let off_target = self.off_target(columns);
        kernel
            .constant("IGNORED_LABEL", IGNORED_LABEL as usize)
            .constant_f32("SMOOTHING", self.label_smoothing)
            .constant_f32("OFF_TARGET", f32::from_f64(off_target))
            .constant_f32("SMOOTHED", f32::from_f64(f64::from(self.label_smoothing) - off_target))
    }

    /// Writes the residual of a row and returns its loss.
    pub(super) fn row<T: Real>(&self, logits: &[T], label: u32, residual: &mut [T]) -> f64 {
        if label == IGNORED_LABEL {
            residual.fill(T::from_f64(0.0));
            return 0.0;
        }
        let Some(row) = StableRow::new(logits) else {
            residual.fill(T::from_f64(f64::NAN));
            return f64::NAN;
        };
        let label = label as usize;
        if label >= logits.len() {
            residual.fill(T::from_f64(f64::NAN));
            return f64::NAN;
        }
        let off_target = self.off_target(logits.len());
        let on_label = 1.0 - f64::from(self.label_smoothing);
        // -log p[c] = log(sum of exponentials) + max - x[c].
        let mut loss = row.log_sum + on_label * row.below(logits[label]);
        let mut others = 0.0;
        for (c, (&x, residual)) in logits.iter().zip(residual.iter_mut()).enumerate() {
            let p = (-row.below(x) - row.log_sum).exp();
            if off_target > 0.0 {
                loss += off_target * row.below(x);
            }
            if c != label {
                others += p;
                *residual = T::from_f64(p - off_target);
            }
        }
        // p[label] - 1, without cancellation.
        residual[label] = T::from_f64(-others - off_target + (1.0 - on_label));
        loss
    }
}

/// Sets the gradient of input 0 of a loss: its residual (output 1) times the gradient of the rows'
/// losses (output 0). Returns that product, or nothing when the loss is not used.
///
/// # Errors
/// When something depends on the residual: its gradient would need a second derivative.
pub(in crate::ops) fn residual_times_loss_gradient(
    op: &str,
    v: &mut Vjp<'_>,
) -> Result<Option<Value>, ShapeError> {
    if v.dy(1).is_some() {
        return Err(ShapeError::new(op, "residual has no gradient: only loss may be used"));
    }
    let Some(dloss) = v.dy(0) else { return Ok(None) };
    let rows = v.ty(dloss).elements();
    let dloss = v.push(View::reshape([rows, 1]), &[dloss])?;
    let residual = v.y(1);
    v.push(Binary::MULTIPLY, &[residual, dloss]).map(Some)
}

impl OpDef for SoftmaxCrossEntropy {
    const NAME: &'static str = "softmax_cross_entropy";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [logits, labels] = operands(Self::NAME, inputs)?;
        let [rows, _] = logits.ranked(Self::NAME, "logits")?;
        rows_of(Self::NAME, ("logits", logits))?;
        labels_of(Self::NAME, rows, labels)?;
        if !(0.0..1.0).contains(&self.label_smoothing) {
            return Err(ShapeError::new(
                Self::NAME,
                format!("label_smoothing must be in [0, 1), it is {}", self.label_smoothing),
            ));
        }
        Ok(vec![TensorType::f32([rows]), logits.clone()])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let (logits, labels) = (io.inputs.float(0), io.inputs.u32(1));
        let [_, columns] = io.inputs.dims(0);
        let [loss, residual] = io.outputs.floats();
        for_each_chunk_of([loss, residual], [1, columns], &|row, [loss, residual]| {
            let logits = &logits[row * columns..][..columns];
            loss[0] = T::from_f64(self.row(logits, labels[row], residual));
        });
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let (rows, columns) = sig.inputs[0].rows_columns();
        let kernel = self
            .declare(Kernel::new("softmax_cross_entropy"), columns)
            .file(include_str!("../../../shaders/common/whole_share.wgsl"))
            .file(include_str!("../../../shaders/loss/softmax_cross_entropy.wgsl"))
            .read(Operand::Input(0))
            .read(Operand::Input(1))
            .write(Operand::Output(0))
            .write(Operand::Output(1));
        row_lowerings(&kernel, rows, columns, caps)
    }

    fn vjp(&self, v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        if let Some(dlogits) = residual_times_loss_gradient("softmax_cross_entropy", v)? {
            v.set(0, dlogits);
        }
        Ok(())
    }

    fn sample_inputs(&self, inputs: &[TensorType]) -> Vec<Fill> {
        sample_labels(inputs)
    }

    fn tolerance(&self, sig: &Signature) -> Tolerance {
        let (_, columns) = sig.inputs[0].rows_columns();
        // The quotient or the logarithm, and the sum of the terms, add a few ulps; p - t cancels
        // where the target is smoothed, with the error of a p below one.
        let canceled = if self.label_smoothing > 0.0 { 4.0 + sum_ulps(columns) } else { FLUSHED };
        Tolerance::ulps(exponential_sum_ulps(columns) + 2.0 * sum_ulps(columns) + 8.0)
            .plus_absolute_ulps(canceled)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        // Maximum, difference, exponential (about 20), sum; again for the residual.
        Cost::of(sig, 48 * sig.inputs[0].elements())
    }

    fn cases() -> Vec<Case> {
        let case = |name: &str, [rows, columns]: [usize; 2], label_smoothing: f32| {
            let classes = u32::try_from(columns).unwrap_or(u32::MAX);
            Case::new(name, SoftmaxCrossEntropy { label_smoothing })
                .normal([rows, columns])
                .input(TensorType::u32([rows]), Fill::LabelsOrIgnored(classes))
        };
        let given =
            |name: &str, label_smoothing: f32, columns: usize, x: &[f32], labels: &[u32]| {
                Case::new(name, SoftmaxCrossEntropy { label_smoothing })
                    .input(TensorType::f32([labels.len(), columns]), Fill::Floats(x.to_vec()))
                    .input(TensorType::u32([labels.len()]), Fill::Integers(labels.to_vec()))
                    .forward_only()
            };
        let huge = [
            1e4, -1e4, 0.0, -1e4, 1e4, 0.0, 1e4, 1e4, 1e4, -1e4, -1e4, -1e4, 1e38, -1e38, 0.0,
            80.0, -7.0, 0.5,
        ];
        let nan = [
            f32::NAN,
            0.0,
            1.0,
            2.0,
            f32::INFINITY,
            1.0,
            f32::NEG_INFINITY,
            f32::NEG_INFINITY,
            f32::NEG_INFINITY,
            f32::NEG_INFINITY,
            1.0,
            2.0,
        ];
        // Losses down to 1e-30: they feel every error of the logarithm near one.
        let tiny: Vec<f32> = (0..16_u8)
            .flat_map(|i| [0.0, -4.3 * f32::from(i), -4.3 * f32::from(i) - 1.0])
            .collect();
        vec![
            case("4x10", [4, 10], 0.0),
            case("7x13_smoothed", [7, 13], 0.1),
            case("one_row", [1, 10], 0.0),
            case("one_class", [5, 1], 0.25),
            case("two_classes", [65, 2], 0.5),
            case("3x257", [3, 257], 0.1),
            case("5x1000", [5, 1000], 0.0).forward_only(),
            case("many_rows", [70_001, 3], 0.0).forward_only(),
            given("all_ignored", 0.1, 3, &[1.0, f32::NAN, 2.0, 0.0, 0.0, 0.0], &[IGNORED_LABEL; 2]),
            given("huge", 0.0, 3, &huge, &[0, 1, 2, 0, 1, 2]),
            given("huge_smoothed", 0.1, 3, &huge, &[0, 1, 2, 0, 1, 2]),
            given("non_finite", 0.0, 3, &nan, &[1, 2, 0, 1]),
            given("infinite_loss", 0.1, 3, &nan, &[1, 2, 0, 0]),
            given("no_class", 0.0, 3, &[0.0; 9], &[3, 2, u32::MAX - 1]),
            given("tiny_loss", 0.0, 3, &tiny, &[0; 16]),
            case("bench_128x10", [128, 10], 0.0).bench(),
            case("bench_64x1000", [64, 1000], 0.1).bench(),
        ]
    }
}
