//! What a run came to, in figures: read from its directory, as far as it is there.

use std::time::Duration;

use super::format::{duration, grouped};
use crate::exec::DeviceInfo;
use crate::train::{EpochRecord, Evaluation, RunDir, RunResult};

/// The split that a page is about.
pub(super) const TEST: &str = "test";

/// Figures of a run.
#[derive(Debug, Clone)]
pub(super) struct RunFacts {
    /// Name of the run directory.
    pub name: String,
    /// What it came to, where it has ended.
    result: Option<RunResult>,
    device: Option<DeviceInfo>,
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
            // What is missing or damaged is left out of the page.
            result: run.result().ok().flatten(),
            device: run.device().ok().flatten(),
            epochs: epochs.to_vec(),
            evaluated,
        }
    }

    /// What the run came to, where it has ended.
    pub fn result(&self) -> Option<&RunResult> {
        self.result.as_ref()
    }

    /// Accuracy on the test set in [0, 1], and of which weights; none of a model that predicts numbers.
    pub fn accuracy(&self) -> Option<(f64, String)> {
        if let Some((accuracy, _, weights)) = &self.evaluated {
            return Some((*accuracy, weights.clone())).filter(|(share, _)| !share.is_nan());
        }
        let best = self.result.as_ref().map(|result| result.best_test_accuracy);
        let best = best.filter(|accuracy| accuracy.is_finite());
        let best = best.map(|accuracy| (accuracy, "best epoch".to_owned()));
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
        Some(self.result.as_ref()?.parameters)
    }

    /// Time of the whole run, or of its epochs where it has not ended.
    pub fn time(&self) -> Duration {
        let epochs = self.epochs.iter().map(|epoch| epoch.seconds).sum();
        let seconds = self.result.as_ref().map(|result| result.seconds);
        let seconds = seconds.filter(|seconds| seconds.is_finite()).unwrap_or(epochs);
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
        let Some(device) = &self.device else { return (String::new(), String::new()) };
        let parts = [&device.kind, &device.backend, &device.driver].map(String::as_str);
        let rest: Vec<&str> = parts.into_iter().filter(|p| !p.is_empty() && *p != "none").collect();
        (device.name.clone(), rest.join(", "))
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
