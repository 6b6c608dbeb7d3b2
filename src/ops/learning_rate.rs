//! The learning rate of a step, computed on the device, so that steps need no word from the host.

use serde::{Deserialize, Serialize};

use super::operands::{operands, scalar};
use super::registry::{OpEntry, attributes};
use super::state::integer;
use crate::error::ShapeError;
use crate::graph::{Caps, Case, Cost, HostIo, Kernel, Lowering, Op, Operand, Signature, Vjp};
use crate::tensor::{DType, Real, TensorType, Tolerance};

pub(super) const ENTRIES: &[OpEntry] = &[OpEntry::new::<LearningRate>("learning_rate", cases)];

/// `rate = base * factor(step)`. Input: `step` u32 `[1]`, the steps completed. Output: f32 `[1]`.
///
/// During the warmup the factor is `(step + 1) / warmup`; then the schedule counts from zero.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LearningRate {
    /// Rate at the end of the warmup.
    pub base: f32,
    /// Steps over which the rate rises linearly to `base`.
    #[serde(default)]
    pub warmup: usize,
    /// What follows the warmup.
    #[serde(default)]
    pub schedule: Schedule,
    /// Steps of the whole training, warmup included: where the cosine ends. Other schedules
    /// ignore it.
    #[serde(default)]
    pub total: usize,
}

/// How the learning rate changes after the warmup, by the number of steps `s` since.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// `1`
    #[default]
    Constant,
    /// `factor^floor(s / every)`
    Step {
        /// Steps between two changes; at least 1.
        every: usize,
        /// Factor of each change, from 0 to 1.
        factor: f32,
    },
    /// `factor^s`
    Exponential {
        /// Factor of each step, from 0 to 1.
        factor: f32,
    },
    /// `f + (1 - f) (1 + cos(pi s / (total - warmup))) / 2`, and `f` from step `total` on
    /// (Loshchilov and Hutter, "SGDR", 2017).
    Cosine {
        /// `f`, the factor at the end.
        final_factor: f32,
    },
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
        match self.schedule {
            Schedule::Constant => None,
            Schedule::Step { factor, .. } | Schedule::Exponential { factor }
                if !(0.0..=1.0).contains(&factor) =>
            {
                Some(format!("factor {factor} must lie between 0 and 1"))
            }
            Schedule::Step { every, .. } if every == 0 || !fits(every) => {
                Some(format!("every {every} must be at least 1 and fit 32 bits"))
            }
            Schedule::Step { .. } | Schedule::Exponential { .. } => None,
            Schedule::Cosine { final_factor } if !final_factor.is_finite() => {
                Some(format!("final_factor {final_factor} must be finite"))
            }
            Schedule::Cosine { .. } if self.total <= self.warmup => Some(format!(
                "the cosine needs more steps in total ({}) than the warmup takes ({})",
                self.total, self.warmup
            )),
            Schedule::Cosine { .. } => None,
        }
    }

    /// The factor of `base` when `step` steps are completed.
    #[expect(clippy::cast_precision_loss, reason = "step counts are far below 2^53")]
    fn factor(&self, step: usize) -> f64 {
        let Some(since) = step.checked_sub(self.warmup) else {
            return (step + 1) as f64 / self.warmup as f64;
        };
        match self.schedule {
            Schedule::Constant => 1.0,
            Schedule::Step { every, factor } => f64::from(factor).powf((since / every) as f64),
            Schedule::Exponential { factor } => f64::from(factor).powf(since as f64),
            Schedule::Cosine { final_factor } => {
                let f = f64::from(final_factor);
                let t = (since as f64 / (self.total - self.warmup) as f64).min(1.0);
                f + (1.0 - f) * 0.5 * (1.0 + (std::f64::consts::PI * t).cos())
            }
        }
    }

    fn forward<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let steps = io.inputs.u32(0);
        for (rate, &step) in io.outputs.float(0).iter_mut().zip(steps) {
            *rate = T::from_f64(f64::from(self.base) * self.factor(step as usize));
        }
    }
}

/// `factor^(2^k)` for every bit `k` of an exponent, as a WGSL array.
fn powers_table(factor: f32) -> String {
    let powers = std::iter::successors(Some(f64::from(factor)), |power| Some(power * power));
    let values: Vec<String> = powers.take(32).map(|p| format!("{:?}", f32::from_f64(p))).collect();
    format!("const POWERS = array<f32, 32>({});\n", values.join(", "))
}

impl Op for LearningRate {
    fn name(&self) -> &'static str {
        "learning_rate"
    }

    fn attributes(&self) -> serde_json::Value {
        attributes(self)
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [step] = operands("learning_rate", inputs)?;
        scalar("learning_rate", ("step", step), DType::U32)?;
        match self.error() {
            Some(message) => Err(ShapeError::new("learning_rate", message)),
            None => Ok(vec![TensorType::f32([1])]),
        }
    }

    fn reference(&self, io: &mut HostIo<'_, f32>) {
        self.forward(io);
    }

    fn reference_f64(&self, io: &mut HostIo<'_, f64>) {
        self.forward(io);
    }

    fn lower(&self, _sig: &Signature, _caps: &Caps) -> Vec<Lowering> {
        // Numbers of the schedules in the WGSL file.
        let (schedule, every, factor, final_factor) = match self.schedule {
            Schedule::Constant => (0, 1, 1.0, 1.0),
            Schedule::Step { every, factor } => (1, every, factor, 1.0),
            Schedule::Exponential { factor } => (1, 1, factor, 1.0),
            Schedule::Cosine { final_factor } => (2, 1, 1.0, final_factor),
        };
        let kernel = Kernel::new("learning_rate")
            .constant("SCHEDULE", schedule)
            .constant("WARMUP", self.warmup)
            .constant("EVERY", every)
            // Schedules other than the cosine have no end, and the text must stay valid.
            .constant("TOTAL", self.total.max(self.warmup))
            .constant_f32("BASE", self.base)
            .constant_f32("FINAL_FACTOR", final_factor)
            .constant_f32("REMAINING_FACTOR", 1.0 - final_factor)
            .file(&powers_table(factor))
            .file(include_str!("../../shaders/learning_rate.wgsl"))
            .read(Operand::Input(0))
            .write(Operand::Output(0));
        vec![Lowering::single("one_invocation", kernel)]
    }

    fn vjp(&self, _v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        Vjp::not_differentiable("learning_rate")
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        // One ulp for the product with the base, 2.5 for the division of the warmup.
        const BASE: f64 = 3.5;
        Tolerance::ulps(match self.schedule {
            Schedule::Constant => BASE,
            // Each of at most 32 factors is rounded once, and each product once: half an ulp each.
            Schedule::Step { .. } | Schedule::Exponential { .. } => BASE + 32.0,
            // The argument is off by 3.5 ulps (two conversions and a division), the sine by that
            // and 3 of the polynomial; its square by twice as much and a half; then three
            // rounded operations.
            Schedule::Cosine { .. } => BASE + 2.0 * 6.5 + 0.5 + 1.5,
        })
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, 1)
    }
}

fn cases() -> Vec<Case> {
    let constant = LearningRate { base: 0.1, warmup: 0, schedule: Schedule::Constant, total: 0 };
    let warmup = LearningRate { warmup: 7, ..constant.clone() };
    let stepped =
        LearningRate { schedule: Schedule::Step { every: 30, factor: 0.1 }, ..warmup.clone() };
    let exponential =
        LearningRate { schedule: Schedule::Exponential { factor: 0.9999 }, ..constant.clone() };
    let halving =
        LearningRate { schedule: Schedule::Exponential { factor: 0.5 }, ..constant.clone() };
    let cosine = LearningRate {
        base: 3e-4,
        warmup: 100,
        schedule: Schedule::Cosine { final_factor: 0.0 },
        total: 100_000,
    };
    let cosine_to_tenth = LearningRate {
        warmup: 0,
        schedule: Schedule::Cosine { final_factor: 0.1 },
        total: 3,
        ..cosine.clone()
    };
    let sets: [(&str, &LearningRate, &[u32]); 7] = [
        ("constant", &constant, &[0, u32::MAX]),
        ("warmup", &warmup, &[0, 5, 6, 7, 1000]),
        ("step", &stepped, &[3, 36, 37, 66, 67, 97]),
        ("exponential", &exponential, &[0, 1, 65_535, 100_000]),
        // Far below the smallest float: zero.
        ("halving", &halving, &[20, 100_000, u32::MAX]),
        ("cosine", &cosine, &[0, 99, 100, 101, 50_050, 99_998, 99_999, 100_000, u32::MAX]),
        ("cosine_to_tenth", &cosine_to_tenth, &[0, 1, 2, 3, 4]),
    ];
    let case = |name: &str, op: &LearningRate, step: u32| {
        let (ty, fill) = integer(step);
        Case::new(format!("{name}_at_{step}"), op.clone()).input(ty, fill).forward_only()
    };
    sets.iter().flat_map(|(name, op, steps)| steps.iter().map(|&s| case(name, op, s))).collect()
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
        for schedule in [
            Schedule::Cosine { final_factor: 0.0 },
            Schedule::Step { every: 0, factor: 0.5 },
            Schedule::Exponential { factor: 1.5 },
        ] {
            let op = LearningRate { schedule, ..base.clone() };
            assert!(op.infer(&step).is_err(), "{schedule:?}");
        }
    }
}
