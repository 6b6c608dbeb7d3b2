//! The learning rate of a step, computed on the device, so that steps need no word from the host.

mod cases;
mod schedule;

pub use schedule::{Anneal, Schedule};

use serde::{Deserialize, Serialize};

use crate::error::ShapeError;
use crate::graph::{Caps, Case, Cost, HostIo, Kernel, Lowering, OpDef, Operand, Signature};
use crate::ops::kit::{operands, scalar};
use crate::tensor::{DType, Real, TensorType, Tolerance};

/// `rate = base * factor(step)`. Input: `step` u32 `[1]`, the steps completed. Output: f32 `[1]`.
///
/// During the warmup the factor is `(step + 1) / warmup`; then the schedule counts from zero.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LearningRate {
    /// Rate at the end of the warmup, and the largest of the one-cycle schedule.
    pub base: f32,
    /// Steps over which the rate rises linearly to `base`.
    #[serde(default)]
    pub warmup: usize,
    /// What follows the warmup.
    #[serde(default)]
    pub schedule: Schedule,
    /// Steps of the whole training, warmup included: where cosine and one-cycle end. Other
    /// schedules ignore it.
    #[serde(default)]
    pub total: usize,
}

impl LearningRate {
    fn error(&self) -> Option<String> {
        let fits = |n: usize| u32::try_from(n).is_ok();
        if !self.base.is_finite() {
            return Some(format!("base {} must be finite", self.base));
        }
        if !fits(self.warmup) || !fits(self.total) {
            return Some(format!(
                "warmup {} and total {} must fit 32 bits",
                self.warmup, self.total
            ));
        }
        if self.schedule.has_end() && self.total <= self.warmup {
            return Some(format!(
                "a schedule with an end needs more steps in total ({}) than the warmup takes ({})",
                self.total, self.warmup
            ));
        }
        self.schedule.error()
    }

    /// Steps of the schedule itself.
    fn length(&self) -> usize {
        self.total.saturating_sub(self.warmup)
    }

    /// The factor of `base` when `step` steps are completed.
    #[expect(clippy::cast_precision_loss, reason = "step counts are far below 2^53")]
    fn factor(&self, step: usize) -> f64 {
        match step.checked_sub(self.warmup) {
            Some(since) => self.schedule.factor(since, self.length()),
            None => (step + 1) as f64 / self.warmup as f64,
        }
    }
}

impl OpDef for LearningRate {
    const NAME: &'static str = "learning_rate";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [step] = operands(Self::NAME, inputs)?;
        scalar(Self::NAME, ("step", step), DType::U32)?;
        match self.error() {
            Some(message) => Err(ShapeError::new(Self::NAME, message)),
            None => Ok(vec![TensorType::f32([1])]),
        }
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let steps = io.inputs.u32(0);
        for (rate, &step) in io.outputs.float(0).iter_mut().zip(steps) {
            *rate = T::from_f64(f64::from(self.base) * self.factor(step as usize));
        }
    }

    fn lower(&self, _sig: &Signature, _caps: &Caps) -> Vec<Lowering> {
        let kernel = Kernel::new("learning_rate")
            .constant("WARMUP", self.warmup)
            .constant_f32("BASE", self.base);
        let kernel = self
            .schedule
            .declare(kernel, self.length())
            .file(include_str!("../../../../shaders/update/learning_rate.wgsl"))
            .read(Operand::Input(0))
            .write(Operand::Output(0));
        vec![Lowering::single("one_invocation", kernel)]
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        // One ulp for the product with the base, 2.5 for the division of the warmup.
        const BASE: f64 = 3.5;
        Tolerance::ulps(BASE + self.schedule.ulps())
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, 1)
    }

    fn cases() -> Vec<Case> {
        cases::all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warmup_ends_where_the_schedule_begins() {
        let schedule = Schedule::Cosine { final_factor: 0.25 };
        let op = LearningRate { base: 1.0, warmup: 4, schedule, total: 8 };
        let factors: Vec<f64> = (0..10).map(|step| op.factor(step)).collect();
        assert_eq!(factors[..5], [0.25, 0.5, 0.75, 1.0, 1.0]);
        assert!((factors[6] - 0.625).abs() < 1e-12, "half way down: {}", factors[6]);
        assert!(factors[8..].iter().all(|&f| (f - 0.25).abs() < 1e-12));
    }

    #[test]
    fn impossible_schedules_are_refused() {
        let step = [TensorType::u32([1])];
        let base = LearningRate { base: 0.1, warmup: 5, schedule: Schedule::Constant, total: 5 };
        assert!(base.infer(&step).is_ok());
        let one_cycle = |pct_start, div_factor| {
            let anneal = Anneal::Cosine;
            Schedule::OneCycle { pct_start, div_factor, final_div_factor: 1e4, anneal }
        };
        for schedule in [
            Schedule::Cosine { final_factor: 0.0 },
            one_cycle(0.3, 25.0),
            Schedule::Step { every: 0, factor: 0.5 },
            Schedule::MultiStep { milestones: vec![], factor: 0.5 },
            Schedule::MultiStep { milestones: vec![4, 4], factor: 0.5 },
            Schedule::MultiStep { milestones: vec![4], factor: 2.0 },
            Schedule::Exponential { factor: 1.5 },
        ] {
            let op = LearningRate { schedule: schedule.clone(), ..base.clone() };
            assert!(op.infer(&step).is_err(), "{schedule:?}");
        }
        for schedule in [one_cycle(1.0, 25.0), one_cycle(f64::NAN, 25.0), one_cycle(0.3, 0.5)] {
            let op = LearningRate { schedule: schedule.clone(), total: 100, ..base.clone() };
            assert!(op.infer(&step).is_err(), "{schedule:?}");
        }
    }
}
