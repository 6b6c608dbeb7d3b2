//! The schedules: their formulas, and the constants and WGSL files that compute them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::graph::Kernel;
use crate::tensor::Real;

/// How the learning rate changes after the warmup, by the number of steps `s` since.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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
    /// `factor^n`, where `n` of the milestones are at most `s`.
    MultiStep {
        /// Steps at which the rate changes, in rising order.
        milestones: Vec<usize>,
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
        /// `f`, the factor at the end, from 0 to 1.
        final_factor: f32,
    },
    /// From `1 / div_factor` up to 1 and down to `1 / (div_factor final_div_factor)`, as
    /// `torch.optim.lr_scheduler.OneCycleLR` in two phases (Smith and Topin, "Super-Convergence",
    /// 2018). With `n = total - warmup` the rate is largest at step `pct_start n - 1` and smallest
    /// from step `n - 1` on. The momentum stays as it is.
    OneCycle {
        /// Part of the steps over which the rate rises, in [0, 1).
        pct_start: f64,
        /// The largest rate divided by that of the first step; at least 1.
        div_factor: f64,
        /// The first step's rate divided by the last one's.
        final_div_factor: f64,
        /// Shape of both slopes.
        anneal: Anneal,
    },
}

/// Shape of a slope from one rate to another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Anneal {
    /// Half a wave of the cosine.
    #[default]
    Cosine,
    /// A straight line.
    Linear,
}

impl Anneal {
    /// Part of the way up, after part `x` of the time.
    fn rise(self, x: f64) -> f64 {
        match self {
            Self::Cosine => 0.5 * (1.0 - (std::f64::consts::PI * x).cos()),
            Self::Linear => x,
        }
    }
}

/// The one-cycle schedule over a number of steps.
struct OneCycle {
    /// Step of the largest rate, which may lie between two.
    peak: f64,
    /// Steps that belong to the rise.
    rising: usize,
    /// Last step of the fall.
    last: usize,
    /// Factors of the first and of the last step.
    first_factor: f64,
    last_factor: f64,
}

impl OneCycle {
    #[expect(clippy::cast_precision_loss, reason = "step counts are far below 2^53")]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below length")]
    fn new(length: usize, pct_start: f64, div_factor: f64, final_div_factor: f64) -> Self {
        let peak = pct_start * length as f64 - 1.0;
        let first_factor = 1.0 / div_factor;
        Self {
            peak,
            rising: if peak > 0.0 { peak.floor() as usize + 1 } else { 0 },
            last: length.saturating_sub(1),
            first_factor,
            last_factor: first_factor / final_div_factor,
        }
    }

    /// Steps that the fall takes.
    #[expect(clippy::cast_precision_loss, reason = "step counts are far below 2^53")]
    fn fall(&self) -> f64 {
        self.last as f64 - self.peak
    }

    #[expect(clippy::cast_precision_loss, reason = "step counts are far below 2^53")]
    fn factor(&self, anneal: Anneal, since: usize) -> f64 {
        let (from, done) = if since < self.rising {
            (self.first_factor, since as f64 / self.peak)
        } else {
            (self.last_factor, (self.last - since.min(self.last)) as f64 / self.fall())
        };
        from + (1.0 - from) * anneal.rise(done)
    }
}

impl Schedule {
    /// Most milestones: the kernel holds them in a table.
    pub const MOST_MILESTONES: usize = 64;

    /// Whether the schedule depends on the length of the training.
    pub(super) const fn has_end(&self) -> bool {
        matches!(self, Self::Cosine { .. } | Self::OneCycle { .. })
    }

    /// What is wrong with its numbers.
    pub(super) fn error(&self) -> Option<String> {
        let fits = |n: usize| u32::try_from(n).is_ok();
        match self {
            Self::Constant => None,
            Self::Step { factor, .. }
            | Self::Exponential { factor }
            | Self::MultiStep { factor, .. }
                if !(0.0..=1.0).contains(factor) =>
            {
                Some(format!("factor {factor} must lie between 0 and 1"))
            }
            Self::Step { every, .. } if *every == 0 || !fits(*every) => {
                Some(format!("every {every} must be at least 1 and fit 32 bits"))
            }
            Self::MultiStep { milestones, .. }
                if !(1..=Self::MOST_MILESTONES).contains(&milestones.len()) =>
            {
                let (given, most) = (milestones.len(), Self::MOST_MILESTONES);
                Some(format!("{given} milestones are given, 1 to {most} are possible"))
            }
            Self::MultiStep { milestones, .. }
                if !milestones.is_sorted_by(|a, b| a < b)
                    || !milestones.iter().all(|&m| fits(m)) =>
            {
                Some(format!("milestones {milestones:?} must rise and fit 32 bits"))
            }
            Self::Step { .. } | Self::Exponential { .. } | Self::MultiStep { .. } => None,
            Self::Cosine { final_factor } if !(0.0..=1.0).contains(final_factor) => {
                Some(format!("final_factor {final_factor} must lie in [0, 1]"))
            }
            Self::Cosine { .. } => None,
            Self::OneCycle { pct_start, .. } if !(0.0..1.0).contains(pct_start) => {
                Some(format!("pct_start {pct_start} must lie in [0, 1)"))
            }
            Self::OneCycle { div_factor, final_div_factor, .. } => {
                let fits = |x: f64| x > 0.0 && x < f64::from(f32::MAX);
                let both = div_factor * final_div_factor;
                let valid =
                    *div_factor >= 1.0 && both >= 1.0 && fits(*final_div_factor) && fits(both);
                (!valid).then(|| {
                    format!(
                        "div_factor {div_factor} and its product with final_div_factor \
                         {final_div_factor} must be finite and at least 1"
                    )
                })
            }
        }
    }

    /// The factor `since` steps after the warmup, of `length` in all.
    #[expect(clippy::cast_precision_loss, reason = "step counts are far below 2^53")]
    pub(super) fn factor(&self, since: usize, length: usize) -> f64 {
        match *self {
            Self::Constant => 1.0,
            Self::Step { every, factor } => f64::from(factor).powf((since / every) as f64),
            Self::MultiStep { ref milestones, factor } => {
                let passed = milestones.iter().filter(|&&milestone| milestone <= since).count();
                f64::from(factor).powf(passed as f64)
            }
            Self::Exponential { factor } => f64::from(factor).powf(since as f64),
            Self::Cosine { final_factor } => {
                let f = f64::from(final_factor);
                let t = (since as f64 / length as f64).min(1.0);
                f + (1.0 - f) * 0.5 * (1.0 + (std::f64::consts::PI * t).cos())
            }
            Self::OneCycle { pct_start, div_factor, final_div_factor, anneal } => {
                OneCycle::new(length, pct_start, div_factor, final_div_factor).factor(anneal, since)
            }
        }
    }

    /// Adds to a kernel the function `factor_after(since)` and the constants that it needs.
    pub(super) fn declare(&self, kernel: Kernel, length: usize) -> Kernel {
        const POWER: &str = include_str!("../../../../shaders/common/power.wgsl");
        const SINE: &str = include_str!("../../../../shaders/common/sine_of_quarter_turns.wgsl");
        match *self {
            Self::Constant => {
                kernel.file(include_str!("../../../../shaders/update/learning_rate/constant.wgsl"))
            }
            Self::Step { factor, .. } | Self::Exponential { factor } => {
                let every = if let Self::Step { every, .. } = *self { every } else { 1 };
                kernel
                    .constant("EVERY", every)
                    .file(&powers_table(factor))
                    .file(POWER)
                    .file(include_str!("../../../../shaders/update/learning_rate/step.wgsl"))
            }
            Self::MultiStep { ref milestones, factor } => kernel
                .constant("N_MILESTONES", milestones.len())
                .file(&milestones_table(milestones))
                .file(&powers_table(factor))
                .file(POWER)
                .file(include_str!("../../../../shaders/update/learning_rate/multi_step.wgsl")),
            Self::Cosine { final_factor } => kernel
                .constant("LENGTH", length)
                .constant_f32("FINAL_FACTOR", final_factor)
                .constant_f32("REMAINING_FACTOR", 1.0 - final_factor)
                .file(SINE)
                .file(include_str!("../../../../shaders/update/learning_rate/cosine.wgsl")),
            Self::OneCycle { pct_start, div_factor, final_div_factor, anneal } => {
                let cycle = OneCycle::new(length, pct_start, div_factor, final_div_factor);
                // Without a rise there is nothing to divide; the text must stay valid.
                let rise = if cycle.rising > 0 { cycle.peak } else { 1.0 };
                [
                    ("RISE", rise),
                    ("FALL", cycle.fall()),
                    ("FIRST_FACTOR", cycle.first_factor),
                    ("ABOVE_FIRST", 1.0 - cycle.first_factor),
                    ("LAST_FACTOR", cycle.last_factor),
                    ("ABOVE_LAST", 1.0 - cycle.last_factor),
                ]
                .into_iter()
                .fold(kernel, |kernel, (name, x)| kernel.constant_f32(name, f32::from_f64(x)))
                .constant("RISING_STEPS", cycle.rising)
                .constant("LAST", cycle.last)
                .constant("LINEAR", usize::from(anneal == Anneal::Linear))
                .file(SINE)
                .file(include_str!("../../../../shaders/update/learning_rate/one_cycle.wgsl"))
            }
        }
    }

    /// How far a kernel's factor may be off, in ulps.
    pub(super) const fn ulps(&self) -> f64 {
        match self {
            Self::Constant => 0.0,
            // Each of at most 32 factors is rounded once, and each product once: half an ulp each.
            Self::Step { .. } | Self::MultiStep { .. } | Self::Exponential { .. } => 32.0,
            // The argument is off by 3.5 ulps (two conversions and a division), the sine by that
            // and 3 of the polynomial; its square by twice as much and a half; then three
            // rounded operations.
            Self::Cosine { .. } => 2.0 * 6.5 + 0.5 + 1.5,
            // The same, with a rounded constant more; all terms are positive.
            Self::OneCycle { .. } => 2.0 * 6.5 + 0.5 + 2.0,
        }
    }
}

/// `factor^(2^k)` for every bit `k` of an exponent, as a WGSL array.
fn powers_table(factor: f32) -> String {
    let powers = std::iter::successors(Some(f64::from(factor)), |power| Some(power * power));
    let values: Vec<String> = powers.take(32).map(|p| format!("{:?}", f32::from_f64(p))).collect();
    format!("const POWERS = array<f32, 32>({});\n", values.join(", "))
}

/// The milestones as a WGSL array.
fn milestones_table(milestones: &[usize]) -> String {
    let values: Vec<String> = milestones.iter().map(|m| format!("{m}u")).collect();
    format!("const MILESTONES = array<u32, {}>({});\n", values.len(), values.join(", "))
}
