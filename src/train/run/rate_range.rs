//! The learning-rate range test of Smith (2017, "Cyclical Learning Rates for Training Neural Networks",
//! section 3.3): the rate rises exponentially from step to step, and the loss shows which rates are too
//! low and which too high. Smoothing, end and advice are those of fastai's `lr_find`.

use serde::{Deserialize, Serialize};

use crate::tensor::Real;
use crate::train::recipe::callbacks::PlateauConfig;
use crate::train::recipe::schedule::ScheduleConfig;
use crate::train::step::names::{RATE_FACTOR, RATE_LOG};
use crate::train::{Recipe, StepLoss, TrainError, Trainer};

/// Part of the smoothed loss that a step leaves of the one before.
const SMOOTHING: f64 = 0.98;
/// The test ends once the smoothed loss is so many times the best one.
const DIVERGED: f64 = 4.0;
/// Steps at the end that give no advice: there the loss explodes.
const EXPLODING: usize = 5;
/// Part of the smoothed loss by which it must fall for an advice: less is noise.
const LEAST_FALL: f64 = 0.03;
/// Steps without a finite loss after which the test ends; with activations in 16 bits, single ones are
/// skipped while the scale of the loss is found.
const NOT_FINITE: usize = 5;

/// Which learning rates are tried.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RateRange {
    /// The rate of the first step.
    pub from: f64,
    /// The rate of the last step.
    pub to: f64,
    /// Number of steps.
    pub steps: u32,
}

impl RateRange {
    /// The rate of a step, counted from zero.
    pub fn rate(&self, step: u32) -> f64 {
        let last = f64::from(self.steps.saturating_sub(1).max(1));
        self.from * (self.to / self.from).powf(f64::from(step) / last)
    }

    /// The recipe of a test of `recipe`: its rate follows the test alone, by a factor that the device
    /// holds.
    ///
    /// # Errors
    /// When its optimizer finds the rate by itself.
    pub fn recipe(recipe: &Recipe) -> Result<Recipe, TrainError> {
        if recipe.optimizer.hypergradient() > 0.0 {
            return Err(TrainError::Recipe {
                recipe: recipe.name.clone(),
                message: "optimizer.hypergradient learns the rate by itself, so that no rates can be tried: \
                          leave it out with --set optimizer.hypergradient=0"
                    .to_owned(),
            });
        }
        // A plateau that is never reached: its factor on the rate is what a test changes.
        let plateau = PlateauConfig {
            monitor: None,
            factor: 0.5,
            patience: u32::MAX,
            min_delta: 0.0,
            cooldown: 0,
            min_rate: 0.0,
        };
        let schedule = ScheduleConfig::default();
        Ok(Recipe { schedule, plateau: Some(plateau), ..recipe.clone() })
    }
}

impl Trainer<'_> {
    /// One step of a test, with a learning rate of `rate`; the trainer is one of
    /// [`RateRange::recipe`]. The loss is that before the step.
    ///
    /// # Errors
    /// When the device fails, or the recipe is not one of a test.
    pub fn step_at_rate(&mut self, rate: f64) -> Result<StepLoss, TrainError> {
        let factor = rate / f64::from(self.recipe.optimizer.learning_rate());
        self.executor.write(RATE_FACTOR, 0, &f32::from_f64(factor).to_le_bytes())?;
        self.run_steps(1)?;
        // Where a checkpoint says that the test stands.
        let per_epoch = self.steps_per_epoch().max(1) as u64;
        let epochs = self.step.saturating_sub(1) / per_epoch;
        self.position.epoch = u32::try_from(epochs).unwrap_or(u32::MAX - 1) + 1;
        self.position.first = Some(epochs * per_epoch);
        let losses = self.losses()?;
        let rates: Vec<f32> = bytemuck::pod_collect_to_vec(&self.executor.read_now(RATE_LOG)?);
        let step = self.step.saturating_sub(1);
        // Rings of an epoch's steps.
        let at = usize::try_from(step).unwrap_or(0) % losses.len().max(1);
        let of = |ring: &[f32]| ring.get(at).copied().unwrap_or(f32::NAN);
        Ok(StepLoss { step, loss: of(&losses), learning_rate: of(&rates) })
    }
}

/// One step of a test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RatePoint {
    /// Step, from one.
    pub step: u64,
    /// Its learning rate.
    pub learning_rate: f64,
    /// Mean loss of its batch, before the step was taken; none where it is no number.
    pub loss: Option<f64>,
    /// The losses so far, smoothed.
    pub smoothed: f64,
}

/// What a test has found so far.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RateCurve {
    points: Vec<RatePoint>,
    /// Weighted sum of the finite losses, and their number.
    sum: f64,
    finite: i32,
    /// Steps since the last finite loss.
    not_finite: usize,
    best: Option<f64>,
}

/// Learning rates to choose, as fastai suggests them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RateAdvice {
    /// Where the smoothed loss falls fastest.
    pub steepest: f64,
    /// A tenth of the rate of the least smoothed loss.
    pub minimum_tenth: f64,
    /// Whether the least loss is that of the last step that counts: higher rates may be better.
    pub still_falls: bool,
}

impl RatePoint {
    /// The step that it tells of.
    pub fn step_loss(&self) -> StepLoss {
        StepLoss {
            step: self.step.saturating_sub(1),
            loss: self.loss.map_or(f32::NAN, f32::from_f64),
            learning_rate: f32::from_f64(self.learning_rate),
        }
    }
}

impl RateCurve {
    /// The steps so far.
    pub fn points(&self) -> &[RatePoint] {
        &self.points
    }

    /// Takes note of a step; whether the loss has grown so far that the test is over.
    pub fn push(&mut self, step: StepLoss) -> bool {
        let loss = Some(f64::from(step.loss)).filter(|loss| loss.is_finite());
        match loss {
            Some(loss) => {
                self.sum = SMOOTHING * self.sum + (1.0 - SMOOTHING) * loss;
                self.finite += 1;
                self.not_finite = 0;
            }
            None => self.not_finite += 1,
        }
        // What zeros before the first loss make it too small by.
        let weight = 1.0 - SMOOTHING.powi(self.finite);
        let smoothed = if self.finite > 0 { self.sum / weight } else { f64::NAN };
        let learning_rate = f64::from(step.learning_rate);
        self.points.push(RatePoint { step: step.step + 1, learning_rate, loss, smoothed });
        if loss.is_some() && self.best.is_none_or(|best| smoothed < best) {
            self.best = Some(smoothed);
        }
        let diverged = self.best.is_some_and(|best| smoothed > DIVERGED * best);
        diverged || self.not_finite >= NOT_FINITE
    }

    /// Rates to choose, from a test that was to take `steps` steps; none where there are too few
    /// of them or the loss never fell.
    pub fn advice(&self, steps: u32) -> Option<RateAdvice> {
        let skipped = usize::try_from(steps / 10).unwrap_or(0);
        let end = self.points.len().checked_sub(EXPLODING)?;
        let points: Vec<(f64, f64)> = self
            .points
            .get(skipped..end)?
            .iter()
            .filter(|point| point.smoothed.is_finite())
            .map(|point| (point.learning_rate, point.smoothed))
            .collect();
        let least = points.iter().min_by(|a, b| a.1.total_cmp(&b.1))?;
        let before: Vec<(f64, f64)> =
            points.iter().copied().take_while(|point| point.0 <= least.0).collect();
        let highest = before.iter().map(|point| point.1).fold(0.0, f64::max);
        let slope = |pair: &[(f64, f64)]| (pair[1].1 - pair[0].1) / (pair[1].0 / pair[0].0).ln();
        let slopes = before.windows(2).map(|pair| (pair[0].0, slope(pair)));
        let (steepest, _) = slopes.min_by(|a, b| a.1.total_cmp(&b.1))?;
        (least.1 < (1.0 - LEAST_FALL) * highest).then_some(RateAdvice {
            steepest,
            minimum_tenth: least.0 / 10.0,
            still_falls: points.last() == Some(least),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data;
    use crate::exec::CpuExecutor;

    /// A curve over rates from 1e-7 to 10, and the steps that were taken.
    fn curve(steps: u32, loss: impl Fn(f64) -> f64) -> RateCurve {
        let range = RateRange { from: 1e-7, to: 10.0, steps };
        let mut curve = RateCurve::default();
        for step in 0..steps {
            let rate = range.rate(step);
            let (loss, learning_rate) = (f32::from_f64(loss(rate)), f32::from_f64(rate));
            if curve.push(StepLoss { step: step.into(), loss, learning_rate }) {
                break;
            }
        }
        curve
    }

    #[test]
    fn rates_rise_by_one_factor() {
        let range = RateRange { from: 1e-6, to: 1.0, steps: 7 };
        for step in 0..7_u32 {
            let expected = 10_f64.powi(i32::try_from(step).expect("small") - 6);
            assert!((range.rate(step) / expected - 1.0).abs() < 1e-12, "{step}");
        }
        assert!((RateRange { steps: 1, ..range }.rate(0) - 1e-6).abs() < 1e-18);
    }

    /// Values of fastai's `AvgSmoothLoss`: x = 0.98 x + 0.02 loss, divided by 1 - 0.98^n.
    #[test]
    fn losses_are_smoothed_as_fastai_does() {
        let mut curve = RateCurve::default();
        let losses = [2.0, 1.0, 4.0];
        for (step, loss) in (0..).zip(losses) {
            curve.push(StepLoss { step, loss, learning_rate: 0.1 });
        }
        let expected = [2.0, 1.494_949_495, 2.346_891_579];
        for (point, expected) in curve.points().iter().zip(expected) {
            assert!((point.smoothed - expected).abs() < 1e-8, "{point:?}");
        }
    }

    #[test]
    fn a_loss_that_explodes_ends_the_test() {
        // Flat, falling around 1e-3, exploding from 0.1 on.
        let loss = |rate: f64| 2.0 - 1.5 / (1.0 + (1e-3 / rate).powi(2)) + (rate / 0.1).powi(3);
        let found = curve(100, loss);
        let last = found.points().last().expect("steps");
        assert!(found.points().len() < 100 && last.smoothed > DIVERGED * 0.5, "{last:?}");
        let advice = found.advice(100).expect("it fell");
        assert!((5e-4..3e-2).contains(&advice.steepest), "{advice:?}");
        assert!((3e-3..3e-2).contains(&advice.minimum_tenth) && !advice.still_falls, "{advice:?}");
        let nan = curve(100, |rate| if rate < 1e-2 { 1.0 } else { f64::NAN });
        assert!(nan.points().len() < 70, "{}", nan.points().len());
        assert!(curve(100, |_| 1.0).advice(100).is_none(), "it never fell");
        assert!(
            curve(100, |rate| 3.0 - rate.log10() / 10.0).advice(100).expect("falls").still_falls
        );
        assert!(curve(6, |rate| 1.0 - rate).advice(6).is_none(), "too few");
    }

    /// The device takes each step with the rate of the test, whatever the schedule of the recipe.
    #[test]
    fn the_device_follows_the_rates() {
        let set = [
            "data.train_size=96",
            "data.test_size=32",
            "batch_size=32",
            "schedule.warmup_steps=2",
            "optimizer.learning_rate=0.02",
        ];
        let recipe = Recipe::builtin("digits", &set.map(str::to_owned)).expect("valid");
        let data = data::load(&recipe.data, None).expect("it is drawn");
        let range = RateRange { from: 1e-6, to: 1e-1, steps: 8 };
        let recipe = RateRange::recipe(&recipe).expect("its rate is given");
        let mut device = CpuExecutor::new();
        let mut trainer = Trainer::new(&mut device, &recipe, data).expect("a trainer");
        // Three steps an epoch.
        for step in 0..8 {
            let told = trainer.step_at_rate(range.rate(step)).expect("the CPU works");
            assert_eq!(told.step, u64::from(step));
            let ratio = f64::from(told.learning_rate) / range.rate(step);
            // Two roundings of f32.
            assert!((ratio - 1.0).abs() < 2e-7, "step {step}: {ratio}");
            assert!(told.loss.is_finite() && told.loss > 0.0);
        }
    }
}
