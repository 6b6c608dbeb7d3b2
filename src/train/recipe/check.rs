//! What cannot be in a recipe, and the line or the override that says so.

use toml::de::{DeTable, DeValue};

use super::augment::AugmentConfig;
use super::callbacks::check_delta;
use super::ema::EmaConfig;
use super::monitor::Monitor;
use super::sampler::Sampler;
use super::schedule::ScheduleConfig;
use super::schema::Recipe;
use crate::data::DataError;
use crate::nn::{Layer, summarize};
use crate::train::TrainError;

impl Recipe {
    /// Names the first value that cannot be.
    pub(super) fn check(&self) -> Result<(), Wrong> {
        let wrong = |key: &str, message: String| Err(Wrong { key: key.to_owned(), message });
        self.check_counts()?;
        if self.name.is_empty() || self.name.contains(['/', '\\']) {
            return wrong("name", format!("{:?} must be usable as a folder name", self.name));
        }
        self.data.check().or_else(|error| match error {
            DataError::Config { key, problem } => wrong(&format!("data.{key}"), problem),
            other => wrong("data", other.to_string()),
        })?;
        let centered = self.data.normalization.is_some() || self.data.mean.is_some();
        self.augment
            .check(centered)
            .or_else(|(key, what)| wrong(&format!("augment.{key}"), what))?;
        if let Some([height, width, _]) = self.data.image() {
            self.augment.of_images().check_for([height, width]).or_else(|what| {
                let named = ["random_crop", "cutout"].into_iter().find(|key| what.starts_with(key));
                wrong(&named.map_or("augment".to_owned(), |key| format!("augment.{key}")), what)
            })?;
        }
        if self.augment.random_resized_crop.is_some() && self.data.stream != Some(true) {
            let given = self.data.stream.map_or(String::new(), |stream| format!(" = {stream}"));
            let message = format!(
                "needs pictures in files: expected dataset = \"folder\" with image_size, and no \
                 stream{given}"
            );
            return wrong("augment.random_resized_crop", message);
        }
        self.check_task()?;
        self.check_numbers()?;
        self.check_layers()
    }

    /// Checks that nothing asks for classes where examples are of none.
    fn check_task(&self) -> Result<(), Wrong> {
        let task = self.data.task;
        if task.is_classification() {
            return Ok(());
        }
        let watches = |monitor: Option<Monitor>| monitor.is_some_and(Monitor::is_accuracy);
        let plateau = self.plateau.as_ref().and_then(|rule| rule.monitor);
        let early_stopping = self.early_stopping.as_ref().and_then(|rule| rule.monitor);
        let of_classes = [
            ("class_weights", self.class_weights.is_some()),
            ("label_smoothing", self.label_smoothing > 0.0),
            ("sampler", !self.sampler.is_plain()),
            ("augment.mixup", self.augment.mixup > 0.0),
            ("augment.cutmix", self.augment.cutmix > 0.0),
            ("best_by", watches(self.best_by)),
            ("plateau.monitor", watches(plateau)),
            ("early_stopping.monitor", watches(early_stopping)),
        ];
        match of_classes.into_iter().find(|(_, given)| *given) {
            Some((key, _)) => Err(Wrong {
                key: key.to_owned(),
                message: format!(
                    "goes with models that tell one of several classes, not with task = \"{}\": leave it \
                     out{}",
                    task.name(),
                    if key.ends_with("monitor") || key == "best_by" {
                        ", or watch a loss"
                    } else {
                        ""
                    }
                ),
            }),
            None => Ok(()),
        }
    }

    /// Checks what a recipe that was made in code says of training, whatever its data are.
    ///
    /// # Errors
    /// Names the first value that cannot be.
    pub(crate) fn check_training_in_code(&self) -> Result<(), TrainError> {
        let centered = self.data.normalization.is_some() || self.data.mean.is_some();
        let augment = self
            .augment
            .check(centered)
            .map_err(|(key, message)| Wrong { key: format!("augment.{key}"), message });
        let checked = self.check_counts().and(augment).and_then(|()| self.check_numbers());
        checked.map_err(|Wrong { key, message }| TrainError::Recipe {
            recipe: self.name.clone(),
            message: format!("{key}: {message}"),
        })
    }

    fn check_counts(&self) -> Result<(), Wrong> {
        let wrong = |key: &str, message: String| Err(Wrong { key: key.to_owned(), message });
        // No epoch at all leaves the weights as they were at the start.
        let counts = [("batch_size", self.batch_size), ("layers", self.layers.len())];
        if let Some((key, _)) = counts.into_iter().find(|&(_, count)| count == 0) {
            return wrong(key, "must be at least 1".to_owned());
        }
        if !(0.0..1.0).contains(&self.label_smoothing) {
            let given = self.label_smoothing;
            return wrong("label_smoothing", format!("must lie in [0, 1), it is {given}"));
        }
        Ok(())
    }

    /// Checks the numbers of what decides a training.
    fn check_numbers(&self) -> Result<(), Wrong> {
        let wrong = |key: &str, message: String| Err(Wrong { key: key.to_owned(), message });
        self.optimizer.check().or_else(|(key, what)| wrong(&format!("optimizer.{key}"), what))?;
        self.check_training()?;
        self.loss.check().or_else(|(key, what)| wrong(&format!("loss.{key}"), what))?;
        self.clipping.check().or_else(|(key, what)| wrong(&format!("clipping.{key}"), what))?;
        self.checkpoint.check().or_else(|(key, what)| wrong(&format!("checkpoint.{key}"), what))?;
        let histograms = self.histograms.map_or(Ok(()), |histograms| histograms.check());
        histograms.or_else(|(key, what)| wrong(&format!("histograms.{key}"), what))?;
        let rate = self.optimizer.learning_rate();
        self.schedule
            .check(rate, self.epochs)
            .or_else(|(key, what)| wrong(format!("schedule.{key}").trim_end_matches('.'), what))
    }

    /// Checks the numbers of the layers, and whether they fit the images, where the recipe alone tells
    /// what those are: so that every command says the same.
    fn check_layers(&self) -> Result<(), Wrong> {
        /// In place of those of a folder that nobody has read yet.
        const SOME_CLASSES: usize = 2;
        let wrong = |key: String, message: String| {
            // Layers of a model are not in the recipe's text.
            let key = if self.model.is_some() { "model".to_owned() } else { key };
            Err(Wrong { key, message })
        };
        Layer::check_all(&self.layers)
            .or_else(|(key, message)| wrong(format!("layers.{key}"), message))?;
        let Some(image) = self.data.image() else { return Ok(()) };
        let layers = Layer::with_classes(&self.layers, SOME_CLASSES);
        summarize(&layers, image, self.precision).map(|_| ()).or_else(|error| {
            let [h, w, c] = image;
            let name =
                error.message.rsplit_once("(in ").and_then(|(_, rest)| rest.strip_suffix(')'));
            let key = name.and_then(|name| Layer::key_of(&self.layers, name));
            let key = key.map_or("layers".to_owned(), |key| format!("layers.{key}"));
            wrong(key, format!("the model does not fit images of {h}x{w}x{c}: {error}"))
        })
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
        if let Some(weights) = &self.class_weights {
            weights.check().or_else(|(key, what)| {
                wrong(format!("class_weights.{key}").trim_end_matches('.'), what)
            })?;
            let AugmentConfig { mixup, cutmix, .. } = self.augment;
            if self.label_smoothing > 0.0 || mixup > 0.0 || cutmix > 0.0 {
                let message = "weighs labels of one class each: leave out label_smoothing, mixup and cutmix, \
                               or use sampler = \"balanced\"";
                return wrong("class_weights", message.to_owned());
            }
        }
        for (pattern, factor) in &self.learning_rate_factors {
            if !(*factor <= f64::from(f32::MAX) && *factor > 0.0) {
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
