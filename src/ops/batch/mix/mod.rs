//! Mixup and cutmix: each image of a batch is mixed with another one, and their labels alike.

mod beta;
mod cases;
mod cpu;
mod decision;
mod gpu;

use serde::{Deserialize, Serialize};

use crate::error::ShapeError;
use crate::graph::{Caps, Case, Cost, Fill, HostIo, HostKernel, Lowering, OpDef, Signature};
use crate::ops::kit::{IGNORED_LABEL, labels_of, of_dtype, operands, scalar};
use crate::tensor::parallel::for_each_chunk;
use crate::tensor::{DType, Real, TensorType, Tolerance};
use decision::{Decision, Tables, WEIGHT_ONE};

/// A batch mixed with itself, row `i` with row `(i + shift) % batch`; shift and weights are one draw
/// a step.
///
/// Inputs: `x` f32 `[batch, h, w, c]`, `labels` u32 `[batch]`, `step` u32 `[1]`. Outputs: the mixed
/// images `[batch, h, w, c]`; `targets` f32 `[batch, classes]`, the class probabilities;
/// `dominant` u32 `[batch]`, the label of the two that weighs more, a row's own where they weigh the
/// same.
///
/// Mixup: `lambda x[i] + (1 - lambda) x[partner]` with `lambda` from Beta(alpha, alpha). Source:
/// Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018. Cutmix: a box that covers
/// `1 - lambda` of the image shows the partner; the labels weigh as much as what is visible. Source:
/// Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers", 2019. Where both are
/// asked for, each step does one of them, with equal chances.
///
/// A row whose label is [`IGNORED_LABEL`] stays as it is, with targets of zero; a row whose partner
/// is such a one stays as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MixBatch {
    /// Alpha of mixup, 0 for none.
    pub mixup: f32,
    /// Alpha of cutmix, 0 for none.
    pub cutmix: f32,
    /// Number of classes.
    pub classes: usize,
    /// Share of the target that is spread over all classes, in `[0, 1)`.
    #[serde(default)]
    pub label_smoothing: f32,
    /// Seed of the run.
    pub seed: u32,
}

impl MixBatch {
    /// The least alpha: below it, all quantiles but the middle are 0 or 1.
    pub const LEAST_ALPHA: f32 = 0.01;
    /// The largest alpha: beyond it, all weights are close to one half.
    pub const LARGEST_ALPHA: f32 = 100.0;

    /// Checks an alpha.
    ///
    /// # Errors
    /// Says which values are possible.
    pub fn check_alpha(alpha: f32) -> Result<(), String> {
        let (least, largest) = (Self::LEAST_ALPHA, Self::LARGEST_ALPHA);
        if alpha == 0.0 || (least..=largest).contains(&alpha) {
            return Ok(());
        }
        Err(format!("must be 0 for none, or in [{least}, {largest}]; it is {alpha}"))
    }

    /// The probability of class `c`, for a row of the label `own` that is mixed with `partner`.
    fn target(&self, c: usize, [own, partner]: [u32; 2], share: f64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a count, far below 2^53")]
        let off_target = f64::from(self.label_smoothing) / self.classes as f64;
        let weight = |label: u32, share: f64| if label as usize == c { share } else { 0.0 };
        let mixed = weight(own, share) + weight(partner, 1.0 - share);
        (1.0 - f64::from(self.label_smoothing)) * mixed + off_target
    }
}

impl OpDef for MixBatch {
    const NAME: &'static str = "mix_batch";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let error = |message: String| ShapeError::new(Self::NAME, message);
        let [x, labels, step] = operands(Self::NAME, inputs)?;
        of_dtype(Self::NAME, ("x", x), DType::F32)?;
        let [batch, height, width, _] = x.ranked(Self::NAME, "x")?;
        labels_of(Self::NAME, batch, labels)?;
        scalar(Self::NAME, ("step", step), DType::U32)?;
        for (key, alpha) in [("mixup", self.mixup), ("cutmix", self.cutmix)] {
            Self::check_alpha(alpha).map_err(|what| error(format!("{key} {what}")))?;
        }
        if !(0.0..1.0).contains(&self.label_smoothing) || self.classes == 0 {
            return Err(error(format!(
                "label_smoothing must lie in [0, 1), and there must be classes; they are {} and {}",
                self.label_smoothing, self.classes
            )));
        }
        // Sides times weights fit 32 bits.
        if x.elements() == 0 || height.max(width) >= 1 << 15 {
            return Err(error(format!("takes images of less than 32768 pixels a side, not {x}")));
        }
        Ok(vec![x.clone(), TensorType::f32([batch, self.classes]), labels.clone()])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let [batch, height, width, channels] = io.inputs.dims(0);
        let (x, labels, step) = (io.inputs.float(0), io.inputs.u32(1), io.inputs.u32(2)[0]);
        let decision = Decision::draw(self, &Tables::new(self), batch, [height, width], step);
        // The row that row i is mixed with: itself where one of the two has no label.
        let partner_of = |i: usize| {
            let partner = (i + decision.shift) % batch;
            if [labels[i], labels[partner]].contains(&IGNORED_LABEL) { i } else { partner }
        };
        let image = height * width * channels;
        for_each_chunk(io.outputs.float(0), image, &|i, y| {
            let partner = partner_of(i);
            for (e, y) in y.iter_mut().enumerate() {
                let (row, column) = (e / channels / width, e / channels % width);
                let inside = (decision.rows[0]..decision.rows[1]).contains(&row)
                    && (decision.columns[0]..decision.columns[1]).contains(&column);
                let weight = match inside {
                    true => 0.0,
                    false => f64::from(decision.weight) / f64::from(WEIGHT_ONE),
                };
                let (own, other) = (x[i * image + e].to_f64(), x[partner * image + e].to_f64());
                let terms = [(weight, own), (1.0 - weight, other)];
                // What weighs nothing is not looked at, not even a NaN.
                let terms = terms.into_iter().filter(|&(weight, _)| weight > 0.0);
                *y = T::from_f64(terms.map(|(weight, value)| weight * value).sum());
            }
        });
        let share = f64::from(decision.share[0]) / f64::from(decision.share[1]);
        for_each_chunk(io.outputs.float(1), self.classes, &|i, targets| {
            let pair = [labels[i], labels[partner_of(i)]];
            for (c, target) in targets.iter_mut().enumerate() {
                let ignored = labels[i] == IGNORED_LABEL;
                *target = T::from_f64(if ignored { 0.0 } else { self.target(c, pair, share) });
            }
        });
        for (i, dominant) in io.outputs.u32(2).iter_mut().enumerate() {
            *dominant = labels[if decision.own_dominates() { i } else { partner_of(i) }];
        }
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        vec![gpu::elements(self, sig, caps)]
    }

    fn host_kernels(&self, _sig: &Signature) -> Vec<HostKernel> {
        vec![cpu::kernel(self)]
    }

    fn sample_inputs(&self, _inputs: &[TensorType]) -> Vec<Fill> {
        let classes = u32::try_from(self.classes).unwrap_or(u32::MAX);
        vec![Fill::Normal, Fill::Labels(classes), Fill::Labels(2)]
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        // Two products and their sum; for a target, also the share (a quotient) and smoothing.
        Tolerance::sum_of(2).plus_ulps(4.0)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, 3 * (sig.outputs[0].elements() + sig.outputs[1].elements()))
    }

    fn cases() -> Vec<Case> {
        cases::cases()
    }
}
