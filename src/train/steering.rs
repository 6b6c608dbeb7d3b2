//! What a recipe says about how a run is steered: which layers learn, what is watched, what is kept.

use serde::{Deserialize, Serialize};

use super::Recipe;
use super::callbacks::{Monitor, check_delta};
use super::recipe::Wrong;
use super::schedule::ScheduleConfig;
use crate::nn::LayerRates;

/// A moving average of the weights, which evaluation uses and weight files keep: section `ema`.
/// Running statistics are not averaged.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmaConfig {
    /// Part of the average that stays after a step; in the first steps less does, at most
    /// `(1 + steps) / (10 + steps)`.
    #[serde(default = "ema_decay")]
    pub decay: f64,
}

const fn ema_decay() -> f64 {
    0.999
}

impl Recipe {
    /// Checks what decides how the optimizer's steps are used.
    pub(super) fn check_training(&self) -> Result<(), Wrong> {
        let wrong = |key: &str, message: String| Err(Wrong { key: key.to_owned(), message });
        if self.accumulate == 0 || self.accumulate > self.batch_size {
            let most = self.batch_size;
            return wrong("accumulate", format!("must lie between 1 and batch_size = {most}"));
        }
        for (pattern, factor) in &self.learning_rate_factors {
            if !(factor.is_finite() && *factor > 0.0) {
                let key = format!("learning_rate_factors.{pattern}");
                return wrong(&key, format!("must be positive, it is {factor}; see freeze"));
            }
        }
        let constant = self.schedule == ScheduleConfig::default() && self.plateau.is_none();
        if self.optimizer.hypergradient() > 0.0 && !constant {
            let message = "the rate learns by itself: leave out schedule and plateau";
            return wrong("optimizer.hypergradient", message.to_owned());
        }
        if let Some(EmaConfig { decay }) = self.ema
            && !(0.0..1.0).contains(&decay)
        {
            return wrong("ema.decay", format!("must lie in [0, 1), it is {decay}"));
        }
        self.check_monitor("best_by", self.best_by)?;
        self.budget.check().or_else(|(key, what)| wrong(&format!("budget.{key}"), what))?;
        if let Some(rule) = &self.plateau {
            rule.check().or_else(|(key, what)| wrong(&format!("plateau.{key}"), what))?;
            self.check_monitor("plateau.monitor", rule.monitor)?;
        }
        if let Some(rule) = &self.early_stopping {
            check_delta(rule.min_delta).or_else(|what| wrong("early_stopping.min_delta", what))?;
            self.check_monitor("early_stopping.monitor", rule.monitor)?;
        }
        Ok(())
    }

    fn check_monitor(&self, key: &str, monitor: Option<Monitor>) -> Result<(), Wrong> {
        match monitor {
            Some(monitor) if monitor.needs_validation() && !self.has_validation() => Err(Wrong {
                key: key.to_owned(),
                message: format!(
                    "there is no validation split to take {monitor} from; hold examples out with \
                     data.validation = 0.1, or watch {}",
                    Monitor::loss_of_held_out(false)
                ),
            }),
            _ => Ok(()),
        }
    }

    /// Whether examples are held out for validation.
    pub fn has_validation(&self) -> bool {
        self.data.validation > 0.0
    }

    /// A callback's metric: the loss on what is held out where none is given.
    pub fn monitor_or_loss(&self, monitor: Option<Monitor>) -> Monitor {
        monitor.unwrap_or(Monitor::loss_of_held_out(self.has_validation()))
    }

    /// By what the best epoch is told, and how much better it must be: as early stopping watches,
    /// or by accuracy on what is held out.
    pub fn best_by(&self) -> (Monitor, f64) {
        match (self.best_by, &self.early_stopping) {
            (Some(monitor), _) => (monitor, 0.0),
            (None, Some(rule)) => (self.monitor_or_loss(rule.monitor), rule.min_delta),
            (None, None) => (Monitor::accuracy_of_held_out(self.has_validation()), 0.0),
        }
    }

    /// Callbacks that decide by the test split, by the names of their sections.
    pub fn looks_at_test(&self) -> Vec<&'static str> {
        let early = self.early_stopping.as_ref().map(|rule| ("early_stopping", rule.monitor));
        let plateau = self.plateau.as_ref().map(|rule| ("plateau", rule.monitor));
        let looking = [early, plateau].into_iter().flatten();
        looking
            .filter(|(_, monitor)| self.monitor_or_loss(*monitor).looks_at_test())
            .map(|(section, _)| section)
            .collect()
    }

    /// Which layers learn at another rate or not at all.
    pub fn layer_rates(&self) -> LayerRates {
        LayerRates { frozen: self.freeze.clone(), factors: self.learning_rate_factors.clone() }
    }

    /// Images per batch of an evaluation: a part of a batch has to fit into memory, not all of it.
    pub fn evaluation_batch(&self) -> usize {
        self.batch_size.div_ceil(self.accumulate.max(1))
    }
}
