//! Schedules as recipes describe them, in steps or in epochs, and the op that they become.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::ShapeError;
use crate::graph::Graph;
use crate::ops::{Anneal, LearningRate, Schedule};
use crate::tensor::TensorType;

/// How the learning rate changes over the steps.
///
/// ```toml
/// [schedule]
/// warmup_epochs = 0.5
/// decay = { cosine = { final_factor = 0.01 } }
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleConfig {
    /// Steps over which the rate rises from zero.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(!skip_serializing_if)]
    pub warmup_steps: usize,
    /// Epochs over which the rate rises from zero, instead of steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub warmup_epochs: Option<f64>,
    /// The shape after that.
    #[serde(default)]
    pub decay: Decay,
}

/// The shape of a schedule after the warmup. Steps and epochs count from the warmup's end; epochs
/// may be fractions.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Decay {
    /// The rate stays.
    ///
    /// ```toml
    /// [schedule]
    /// decay = "constant"
    /// ```
    #[default]
    Constant,
    /// The rate is multiplied by `factor` again and again.
    ///
    /// ```toml
    /// [schedule]
    /// decay = { step = { every_epochs = 2, factor = 0.5 } }
    /// ```
    Step {
        /// Steps between two changes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(range(min = 1))]
        every: Option<usize>,
        /// Epochs between two changes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(extend("exclusiveMinimum" = 0))]
        every_epochs: Option<f64>,
        /// Factor of each change, from 0 to 1.
        #[schemars(range(min = 0, max = 1))]
        factor: f32,
    },
    /// The rate is multiplied by `factor` at certain steps.
    ///
    /// ```toml
    /// [schedule]
    /// decay = { multi_step = { milestone_epochs = [1, 2.5], factor = 0.1 } }
    /// ```
    MultiStep {
        /// The steps.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(length(min = 1, max = Schedule::MOST_MILESTONES))]
        milestones: Option<Vec<usize>>,
        /// The same in epochs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(length(min = 1, max = Schedule::MOST_MILESTONES))]
        milestone_epochs: Option<Vec<f64>>,
        /// Factor of each change, from 0 to 1.
        #[schemars(range(min = 0, max = 1))]
        factor: f32,
    },
    /// The rate is multiplied by `factor` after each step or each epoch.
    ///
    /// ```toml
    /// [schedule]
    /// decay = { exponential = { factor = 0.9, per = "epoch" } }
    /// ```
    Exponential {
        /// Factor, from 0 to 1.
        #[schemars(range(min = 0, max = 1))]
        factor: f32,
        /// What it is applied after.
        #[serde(default, skip_serializing_if = "Period::is_step")]
        #[schemars(!skip_serializing_if)]
        per: Period,
    },
    /// Half a wave of the cosine, down to `final_factor` of the rate at the end of the training.
    ///
    /// ```toml
    /// [schedule]
    /// decay = { cosine = { final_factor = 0.01 } }
    /// ```
    Cosine {
        /// Part of the rate that is left.
        #[serde(default)]
        #[schemars(range(min = 0, max = 1))]
        final_factor: f32,
    },
    /// Up to the rate and down to nearly nothing over the whole training, as PyTorch's
    /// `OneCycleLR` with these names and defaults. The momentum stays as it is.
    ///
    /// ```toml
    /// [schedule]
    /// decay = { one_cycle = { pct_start = 0.25, anneal = "linear" } }
    /// ```
    OneCycle {
        /// Part of the steps over which the rate rises.
        #[serde(default = "pct_start")]
        #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
        pct_start: f64,
        /// The rate divided by that of the first step.
        #[serde(default = "div_factor")]
        #[schemars(range(min = 1))]
        div_factor: f64,
        /// The first step's rate divided by the last one's.
        #[serde(default = "final_div_factor")]
        #[schemars(extend("exclusiveMinimum" = 0))]
        final_div_factor: f64,
        /// Shape of both slopes.
        #[serde(default)]
        anneal: Anneal,
    },
}

/// What a change of the rate comes after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// Each step.
    #[default]
    Step,
    /// Each epoch.
    Epoch,
}

impl Period {
    fn is_step(&self) -> bool {
        *self == Self::Step
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(steps: &usize) -> bool {
    *steps == 0
}

const fn pct_start() -> f64 {
    0.3
}

const fn div_factor() -> f64 {
    25.0
}

const fn final_div_factor() -> f64 {
    1e4
}

impl ScheduleConfig {
    /// Whether the rate rises before anything else.
    pub fn warms_up(&self) -> bool {
        self.warmup_steps > 0 || self.warmup_epochs.is_some_and(|epochs| epochs > 0.0)
    }

    /// The op for a base rate, a number of steps per epoch and a number of epochs.
    ///
    /// # Errors
    /// When a number is given both in steps and in epochs, in neither, or cannot be.
    pub fn learning_rate(
        &self,
        base: f32,
        steps_per_epoch: usize,
        epochs: u32,
    ) -> Result<LearningRate, ShapeError> {
        let steps = |key: &str, epochs: f64| steps_of(key, epochs, steps_per_epoch);
        let warmup = match self.warmup_epochs {
            None => self.warmup_steps,
            Some(_) if self.warmup_steps > 0 => {
                return Err(wrong("give warmup_steps or warmup_epochs, not both"));
            }
            Some(epochs) => steps("warmup_epochs", epochs)?,
        };
        let schedule = match self.decay {
            Decay::Constant => Schedule::Constant,
            Decay::Step { every, every_epochs, factor } => {
                let every = match (every, every_epochs) {
                    (Some(every), None) => every,
                    (None, Some(epochs)) if epochs > 0.0 => steps("every_epochs", epochs)?.max(1),
                    (None, Some(epochs)) => {
                        return Err(wrong(&format!(
                            "every_epochs must be positive, it is {epochs}"
                        )));
                    }
                    _ => return Err(wrong("a step schedule takes every or every_epochs")),
                };
                Schedule::Step { every, factor }
            }
            Decay::MultiStep { ref milestones, ref milestone_epochs, factor } => {
                let milestones = match (milestones, milestone_epochs) {
                    (Some(milestones), None) => milestones.clone(),
                    (None, Some(epochs)) => epochs
                        .iter()
                        .map(|&epochs| steps("milestone_epochs", epochs))
                        .collect::<Result<_, _>>()?,
                    _ => {
                        let text = "a multi_step schedule takes milestones or milestone_epochs";
                        return Err(wrong(text));
                    }
                };
                Schedule::MultiStep { milestones, factor }
            }
            Decay::Exponential { factor, per: Period::Step } => Schedule::Exponential { factor },
            Decay::Exponential { factor, per: Period::Epoch } => {
                Schedule::Step { every: steps_per_epoch.max(1), factor }
            }
            Decay::Cosine { final_factor } => Schedule::Cosine { final_factor },
            Decay::OneCycle { pct_start, div_factor, final_div_factor, anneal } => {
                Schedule::OneCycle { pct_start, div_factor, final_div_factor, anneal }
            }
        };
        // A run without an epoch takes none of these steps.
        let total = steps_per_epoch.saturating_mul(epochs.max(1) as usize);
        if epochs > 0 && total > 0 && warmup > 0 && warmup >= total {
            let message = format!(
                "the warmup takes {warmup} steps, the whole run {total}: give a shorter warmup or \
                 more epochs"
            );
            return Err(wrong(&message));
        }
        Ok(LearningRate { base, warmup, schedule, total })
    }

    /// Has the op check the numbers of a run of `epochs`: the key that holds one that cannot be, and
    /// what is wrong with it. How many steps an epoch has, the data decide: enough are taken for
    /// granted.
    pub(in crate::train) fn check(&self, base: f32, epochs: u32) -> Result<(), (String, String)> {
        const STEPS_PER_EPOCH: usize = 1000;
        if let Some(given) = self.warmup_epochs
            && epochs > 0
            && given >= f64::from(epochs)
        {
            let message = format!("must be below epochs = {epochs}, it is {given}");
            return Err(("warmup_epochs".to_owned(), message));
        }
        let checked = self.learning_rate(base, STEPS_PER_EPOCH, 0).and_then(|mut rate| {
            rate.total = rate.warmup.saturating_add(STEPS_PER_EPOCH);
            let mut graph = Graph::default();
            let step = graph.source("step", TensorType::u32([1]));
            graph.push(rate, &[step]).map(|_| ())
        });
        checked.map_err(|error| (self.key_in(&error.message), error.message))
    }

    /// The key that a message begins with, below those of its tables; none where it begins with none.
    fn key_in(&self, message: &str) -> String {
        let shape = match self.decay {
            Decay::Constant => "constant",
            Decay::Step { .. } => "step",
            Decay::MultiStep { .. } => "multi_step",
            Decay::Exponential { .. } => "exponential",
            Decay::Cosine { .. } => "cosine",
            Decay::OneCycle { .. } => "one_cycle",
        };
        match message.split(' ').next() {
            Some("warmup") => "warmup_steps".to_owned(),
            Some("warmup_epochs") => "warmup_epochs".to_owned(),
            Some(
                key @ ("factor" | "final_factor" | "every" | "every_epochs" | "milestones"
                | "milestone_epochs" | "pct_start" | "div_factor"),
            ) => format!("decay.{shape}.{key}"),
            _ => String::new(),
        }
    }
}

fn wrong(message: &str) -> ShapeError {
    ShapeError::new("schedule", message)
}

/// The nearest number of steps.
#[expect(clippy::cast_precision_loss, reason = "step counts are far below 2^53")]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
fn steps_of(key: &str, epochs: f64, steps_per_epoch: usize) -> Result<usize, ShapeError> {
    let steps = (epochs * steps_per_epoch as f64).round();
    if (0.0..f64::from(u32::MAX)).contains(&steps) {
        Ok(steps as usize)
    } else {
        Err(ShapeError::new("schedule", format!("{key} cannot be {epochs}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str) -> Result<LearningRate, String> {
        let config: ScheduleConfig = toml::from_str(text).map_err(|error| error.to_string())?;
        config.check(0.5, 4).map_err(|(key, message)| format!("{key}: {message}"))?;
        config.learning_rate(0.5, 100, 4).map_err(|error| error.to_string())
    }

    #[test]
    fn epochs_become_steps() {
        let given = |schedule, warmup| Ok(LearningRate { base: 0.5, warmup, schedule, total: 400 });
        for (text, schedule, warmup) in [
            ("", Schedule::Constant, 0),
            ("warmup_epochs = 0.5", Schedule::Constant, 50),
            (
                "warmup_steps = 7\ndecay = { step = { every_epochs = 1.5, factor = 0.5 } }",
                Schedule::Step { every: 150, factor: 0.5 },
                7,
            ),
            (
                "decay.multi_step = { milestone_epochs = [1, 2.5], factor = 0.5 }",
                Schedule::MultiStep { milestones: vec![100, 250], factor: 0.5 },
                0,
            ),
            (
                "decay.multi_step = { milestones = [3, 4], factor = 0.5 }",
                Schedule::MultiStep { milestones: vec![3, 4], factor: 0.5 },
                0,
            ),
            (
                "decay.exponential = { factor = 0.9, per = \"epoch\" }",
                Schedule::Step { every: 100, factor: 0.9 },
                0,
            ),
            ("decay.cosine = {}", Schedule::Cosine { final_factor: 0.0 }, 0),
            (
                "decay.one_cycle = { anneal = \"linear\" }",
                Schedule::OneCycle {
                    pct_start: 0.3,
                    div_factor: 25.0,
                    final_div_factor: 1e4,
                    anneal: Anneal::Linear,
                },
                0,
            ),
        ] {
            assert_eq!(rate(text), given(schedule, warmup), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (text, part) in [
            ("warmup_steps = 1\nwarmup_epochs = 1", "not both"),
            ("warmup_epochs = -1", "cannot be -1"),
            ("decay.step = { factor = 0.5 }", "every or every_epochs"),
            ("decay.step = { every = 1, every_epochs = 1, factor = 0.5 }", "every or"),
            ("decay.multi_step = { factor = 0.5 }", "milestones or milestone_epochs"),
            ("decay.multi_step = { milestones = [2, 1], factor = 0.5 }", "must rise"),
            ("decay.one_cycle = { pct_start = 1.0 }", "pct_start"),
            ("decay.triangle = {}", "unknown variant"),
            ("warmup_epochs = 4", "warmup_epochs: must be below epochs = 4"),
            ("warmup_steps = 400", "the warmup takes 400 steps, the whole run 400"),
            ("warmup_steps = 5000000000", "warmup_steps: warmup 5000000000"),
            (
                "decay.cosine.final_factor = -5",
                "decay.cosine.final_factor: final_factor -5 must lie",
            ),
            ("decay.step = { every_epochs = 0, factor = 0.5 }", "every_epochs must be positive"),
            ("decay.exponential.factor = nan", "decay.exponential.factor: factor NaN must"),
        ] {
            let error = rate(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
