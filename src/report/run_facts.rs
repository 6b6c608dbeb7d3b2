//! What a run came to, in figures: read from its directory, as far as it is there.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::format::{duration, grouped};
use crate::train::{EpochRecord, Evaluation, RunDir, read_text};

/// The split that a page is about.
pub(super) const TEST: &str = "test";

/// Figures of a run.
#[derive(Debug, Clone)]
pub(super) struct RunFacts {
    /// Name of the run directory.
    pub name: String,
    result: Value,
    device: Value,
    epochs: Vec<EpochRecord>,
    /// Accuracy and loss of the weights that were evaluated, and which they are.
    evaluated: Option<(f64, f64, String)>,
}

impl RunFacts {
    pub fn read(run: &RunDir, epochs: &[EpochRecord], evaluation: Option<&Evaluation>) -> Self {
        let folder = run.path();
        let path = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let name = path.file_name().map_or("run".into(), |name| name.to_string_lossy());
        let evaluated = evaluation.and_then(|evaluation| {
            let split = evaluation.splits.get(TEST)?;
            let weights = format!("{:?} weights", evaluation.weights).to_lowercase();
            Some((split.accuracy, split.loss, weights))
        });
        Self {
            name: name.into_owned(),
            result: json(&run.result()),
            device: json(&folder.join("device.json")),
            epochs: epochs.to_vec(),
            evaluated,
        }
    }

    /// A text of `result.json`, empty where it is not there.
    pub fn text(&self, key: &str) -> String {
        match self.result.get(key) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None => String::new(),
            Some(other) => other.to_string(),
        }
    }

    fn number(&self, key: &str) -> Option<f64> {
        self.result.get(key).and_then(Value::as_f64)
    }

    /// Accuracy on the test set in [0, 1], and of which weights.
    pub fn accuracy(&self) -> Option<(f64, String)> {
        if let Some((accuracy, _, weights)) = &self.evaluated {
            return Some((*accuracy, weights.clone()));
        }
        let best = self.number("best_test_accuracy").map(|a| (a, "best epoch".to_owned()));
        best.or_else(|| Some((self.epochs.last()?.test_accuracy?, "last epoch".to_owned())))
    }

    /// Loss on the test set.
    pub fn loss(&self) -> Option<(f64, String)> {
        match &self.evaluated {
            Some((_, loss, weights)) => Some((*loss, weights.clone())),
            None => Some((self.epochs.last()?.test_loss?, "last epoch".to_owned())),
        }
    }

    /// Trainable numbers.
    pub fn parameters(&self) -> Option<usize> {
        self.result.get("parameters")?.as_u64().and_then(|n| usize::try_from(n).ok())
    }

    /// Time of the whole run, or of its epochs where it has not ended.
    pub fn time(&self) -> Duration {
        let epochs = self.epochs.iter().map(|epoch| epoch.seconds).sum();
        let seconds = self.number("seconds").unwrap_or(epochs);
        Duration::try_from_secs_f64(seconds).unwrap_or_default()
    }

    /// Median throughput of the epochs.
    pub fn images_per_second(&self) -> Option<f64> {
        let rates = self.epochs.iter().map(|epoch| epoch.images_per_second);
        let mut rates: Vec<f64> = rates.filter(|rate| rate.is_finite()).collect();
        rates.sort_by(f64::total_cmp);
        rates.get(rates.len() / 2).copied()
    }

    /// Name of the device, and what else is known of it.
    pub fn device(&self) -> (String, String) {
        let text = |key| self.device.get(key).and_then(Value::as_str).unwrap_or_default();
        let parts = [text("kind"), text("backend"), text("driver")];
        let rest: Vec<&str> = parts.into_iter().filter(|p| !p.is_empty() && *p != "none").collect();
        (text("name").to_owned(), rest.join(", "))
    }

    /// Epochs that were run.
    pub fn epochs(&self) -> usize {
        self.epochs.len()
    }

    /// The figures that a page begins with: value and what it is.
    pub fn headline(&self) -> Vec<(String, String)> {
        let mut cards = Vec::new();
        if let Some((accuracy, of)) = self.accuracy() {
            cards.push((format!("{:.2} %", 100.0 * accuracy), format!("test accuracy, {of}")));
        }
        if let Some((loss, of)) = self.loss() {
            cards.push((format!("{loss:.4}"), format!("test loss, {of}")));
        }
        if let Some(parameters) = self.parameters() {
            cards.push((grouped(parameters), "parameters".to_owned()));
        }
        let epochs = self.epochs();
        let plural = if epochs == 1 { "" } else { "s" };
        cards.push((duration(self.time()), format!("for {epochs} epoch{plural}, all included")));
        if let Some(rate) = self.images_per_second() {
            let rate = format!("{rate:.0}").parse().unwrap_or(0);
            cards.push((grouped(rate), "images/s in training (median epoch)".to_owned()));
        }
        cards
    }
}

/// What a JSON file holds; null where there is none, or it is damaged.
fn json(path: &Path) -> Value {
    let text = read_text(path).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or(Value::Null)
}
