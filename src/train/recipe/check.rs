//! What cannot be in a recipe, and the line or the override that says so.

use toml::de::{DeTable, DeValue};

use super::callbacks::check_delta;
use super::ema::EmaConfig;
use super::monitor::Monitor;
use super::sampler::Sampler;
use super::schedule::ScheduleConfig;
use super::schema::Recipe;
use crate::train::TrainError;

impl Recipe {
    /// Names the first value that cannot be.
    pub(super) fn check(&self) -> Result<(), Wrong> {
        let wrong = |key: &str, message: String| Err(Wrong { key: key.to_owned(), message });
        let counts = [
            ("batch_size", self.batch_size),
            ("epochs", self.epochs as usize),
            ("layers", self.layers.len()),
        ];
        if let Some((key, _)) = counts.into_iter().find(|&(_, count)| count == 0) {
            return wrong(key, "must be at least 1".to_owned());
        }
        if !(0.0..1.0).contains(&self.label_smoothing) {
            let given = self.label_smoothing;
            return wrong("label_smoothing", format!("must lie in [0, 1), it is {given}"));
        }
        if self.name.is_empty() || self.name.contains(['/', '\\']) {
            return wrong("name", format!("{:?} must be usable as a folder name", self.name));
        }
        self.data.check().or_else(|error| wrong("data", error.to_string()))?;
        let centered = self.data.normalization.is_some() || self.data.mean.is_some();
        self.augment
            .check(centered)
            .or_else(|(key, what)| wrong(&format!("augment.{key}"), what))?;
        if self.augment.random_resized_crop.is_some() && self.data.stream != Some(true) {
            let given = self.data.stream.map_or(String::new(), |stream| format!(" = {stream}"));
            let message = format!(
                "needs pictures in files: expected dataset = \"folder\" with image_size, and no \
                 stream{given}"
            );
            return wrong("augment.random_resized_crop", message);
        }
        self.optimizer.check().or_else(|(key, what)| wrong(&format!("optimizer.{key}"), what))?;
        self.check_training()?;
        self.clipping.check().or_else(|(key, what)| wrong(&format!("clipping.{key}"), what))?;
        self.checkpoint.check().or_else(|(key, what)| wrong(&format!("checkpoint.{key}"), what))?;
        let histograms = self.histograms.map_or(Ok(()), |histograms| histograms.check());
        histograms.or_else(|(key, what)| wrong(&format!("histograms.{key}"), what))?;
        let rate = self.optimizer.learning_rate();
        self.schedule.check(rate).or_else(|error| wrong("schedule", error.message))
    }

    /// Checks what decides how the optimizer's steps are used.
    fn check_training(&self) -> Result<(), Wrong> {
        let wrong = |key: &str, message: String| Err(Wrong { key: key.to_owned(), message });
        if self.accumulate == 0 || self.accumulate > self.batch_size {
            let most = self.batch_size;
            return wrong("accumulate", format!("must lie between 1 and batch_size = {most}"));
        }
        if self.sampler == Sampler::Balanced && !self.shuffle {
            return wrong(
                "sampler",
                "\"balanced\" draws an order: leave out shuffle = false".to_owned(),
            );
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
}

/// A value that cannot be.
pub(super) struct Wrong {
    /// Its key, with dots for tables.
    pub key: String,
    /// What is wrong with it.
    pub message: String,
}

impl Wrong {
    /// The error, with the line of the recipe or the override that gave the value.
    pub(super) fn located(self, origin: &str, text: &str, overrides: &[String]) -> TrainError {
        let Self { key, message } = self;
        let sets = |given: &&String| given.split_once('=').is_some_and(|(k, _)| k.trim() == key);
        if let Some(given) = overrides.iter().rev().find(sets) {
            return TrainError::Override { given: given.clone(), message };
        }
        let place = line_of(text, &key).map(|line| format!("line {line}: ")).unwrap_or_default();
        let message = format!("{place}{key}: {message}");
        TrainError::Recipe { recipe: origin.to_owned(), message }
    }
}

/// Line of a key, counted from one; of the innermost table around it where it is absent.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let mut parts = key.split('.');
    let first = parts.next()?;
    let (name, mut value) = document.get_ref().iter().find(|(name, _)| name.get_ref() == first)?;
    let mut start = name.span().start;
    for part in parts {
        match value.get_ref() {
            DeValue::Table(table) => {
                let Some(entry) = table.iter().find(|(name, _)| name.get_ref() == part) else {
                    break;
                };
                (start, value) = (entry.0.span().start, entry.1);
            }
            DeValue::Array(list) => {
                let Some(entry) = part.parse::<usize>().ok().and_then(|i| list.get(i)) else {
                    break;
                };
                (start, value) = (entry.span().start, entry);
            }
            _ => break,
        }
    }
    Some(text.get(..start)?.matches('\n').count() + 1)
}
