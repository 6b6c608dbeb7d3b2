//! What a search found: the record in `result.json` of its folder, and its CSV file.

use serde::{Deserialize, Serialize};

use super::super::csv::quoted;
use super::super::format::loss;
use crate::train::Monitor;

/// How a trial ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As its recipe says.
    Finished,
    /// Early, since it lay behind the others.
    Pruned,
    /// With an error, such as a loss that is no number.
    Failed,
}

/// One training of a search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialRecord {
    /// Its number, from one.
    pub trial: usize,
    /// The values of its setting, in the order of the keys.
    pub values: Vec<String>,
    /// Its seed.
    pub seed: u64,
    /// The fold that was held out, from one.
    pub fold: Option<usize>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it ended, in words.
    pub ended: String,
    /// The best value of the metric over its epochs.
    pub best: Option<f64>,
    /// The epoch that gave it, from one.
    pub best_epoch: Option<u32>,
    /// The value of the metric in its last epoch.
    pub last: Option<f64>,
    /// Accuracy on the test set after the best epoch, between 0 and 1.
    pub test_accuracy: Option<f64>,
    /// Epochs that were trained.
    pub epochs: u32,
    /// Duration in seconds.
    pub seconds: f64,
    /// Its run directory, from the folder of the search on.
    pub run: String,
}

/// Mean and sample standard deviation of some values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The standard deviation, with n - 1; none of a single value.
    pub deviation: Option<f64>,
    /// How many values there are.
    pub n: usize,
}

impl Spread {
    /// That of the finite ones among `values`; none where there are none.
    pub fn of(values: impl Iterator<Item = Option<f64>>) -> Option<Self> {
        let values: Vec<f64> = values.flatten().filter(|value| value.is_finite()).collect();
        let n = values.len();
        let count = f64::from(u32::try_from(n).unwrap_or(u32::MAX));
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let deviation = (n > 1).then(|| (squares / (count - 1.0)).sqrt());
        (n > 0).then_some(Self { mean, deviation, n })
    }

    /// The standard error of the mean; none of a single value.
    pub fn error(&self) -> Option<f64> {
        let n = f64::from(u32::try_from(self.n).unwrap_or(u32::MAX));
        Some(self.deviation? / n.sqrt())
    }
}

/// All trials of one setting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SettingRecord {
    /// Its values, in the order of the keys.
    pub values: Vec<String>,
    /// Numbers of its trials.
    pub trials: Vec<usize>,
    /// How many of them were ended early, since they lay behind.
    pub pruned: usize,
    /// How many failed.
    pub failed: usize,
    /// The best value of the metric of each trial.
    pub best: Option<Spread>,
    /// The value of the metric in the last epoch of each trial.
    pub last: Option<Spread>,
    /// Accuracy on the test set after the best epoch of each trial.
    pub test_accuracy: Option<Spread>,
    /// Seconds of all of them together.
    pub seconds: f64,
}

/// A search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchRecord {
    /// Version of verigrad.
    pub verigrad: String,
    /// Name of the recipe.
    pub recipe: String,
    /// What was changed: keys of the recipe.
    pub keys: Vec<String>,
    /// The metric that the settings are sorted by.
    pub metric: Monitor,
    /// Folds of the training set, where one was held out in turn.
    pub folds: Option<usize>,
    /// Trials that are yet to be trained.
    pub missing: usize,
    /// The settings, the best first; those with failed trials behind the others.
    pub settings: Vec<SettingRecord>,
    /// The trials, in their order.
    pub trials: Vec<TrialRecord>,
}

impl SearchRecord {
    /// Sums up the trials of each setting, and sorts the settings.
    pub fn new(
        (recipe, keys): (&str, &[String]),
        metric: Monitor,
        folds: Option<usize>,
        (trials, missing): (Vec<TrialRecord>, usize),
    ) -> Self {
        let mut settings: Vec<SettingRecord> = Vec::new();
        for trial in &trials {
            if settings.iter().all(|setting| setting.values != trial.values) {
                settings.push(setting(&trials, &trial.values));
            }
        }
        let key = |setting: &SettingRecord| {
            let mean = setting.best.map_or(f64::NAN, |best| best.mean);
            let mean = if is_loss(metric) { mean } else { -mean };
            // What is no number comes last.
            (setting.failed > 0, mean.is_nan(), mean)
        };
        settings.sort_by(|a, b| {
            let (a, b) = (key(a), key(b));
            (a.0, a.1).cmp(&(b.0, b.1)).then(a.2.total_cmp(&b.2))
        });
        Self {
            verigrad: env!("CARGO_PKG_VERSION").to_owned(),
            recipe: recipe.to_owned(),
            keys: keys.to_vec(),
            metric,
            folds,
            missing,
            settings,
            trials,
        }
    }

    /// The setting with the best mean, if any has one and no failed trial.
    pub fn winner(&self) -> Option<&SettingRecord> {
        self.settings.first().filter(|best| best.failed == 0 && best.best.is_some())
    }

    /// How far the winner leads, and how much of a lead two standard errors of the difference are.
    /// None where there is no second one, or no deviation.
    pub fn lead(&self) -> Option<(f64, f64)> {
        let first = self.winner()?.best?;
        let second = self.settings.get(1).filter(|second| second.failed == 0)?.best?;
        let error = (first.error()?.powi(2) + second.error()?.powi(2)).sqrt();
        Some(((first.mean - second.mean).abs(), 2.0 * error))
    }

    /// Names of the keys for headings: without the tables that they are in, where that is plain.
    pub fn short_keys(&self) -> Vec<&str> {
        let last = |key: &'_ str| key.rsplit('.').next().unwrap_or_default().to_owned();
        let plain = |key: &String| self.keys.iter().filter(|k| last(k) == last(key)).count() == 1;
        let short = |key: &'_ String| key.rfind('.').map_or(0, |dot| dot + 1);
        self.keys.iter().map(|key| if plain(key) { &key[short(key)..] } else { key }).collect()
    }

    /// The trials as CSV, one line each.
    pub fn to_csv(&self) -> String {
        let mut fields = vec!["trial".to_owned()];
        fields.extend(self.keys.iter().map(|key| quoted(key)));
        fields.extend(["seed", "fold", "outcome"].map(str::to_owned));
        let metric = self.metric;
        fields.extend([
            format!("best_{metric}"),
            "best_epoch".to_owned(),
            format!("last_{metric}"),
        ]);
        let rest = ["test_accuracy", "epochs", "seconds", "run", "ended"];
        fields.extend(rest.map(str::to_owned));
        let mut text = fields.join(",") + "\n";
        let number = |value: Option<f64>| value.map(|v| format!("{v:?}")).unwrap_or_default();
        for trial in &self.trials {
            let mut fields = vec![trial.trial.to_string()];
            // Numbers may be negative.
            let value = |value: &String| match value.parse::<f64>() {
                Ok(_) => value.clone(),
                Err(_) => quoted(value),
            };
            fields.extend(trial.values.iter().map(value));
            let outcome = format!("{:?}", trial.outcome).to_lowercase();
            let fold = trial.fold.map(|fold| fold.to_string()).unwrap_or_default();
            let epoch = trial.best_epoch.map(|epoch| epoch.to_string()).unwrap_or_default();
            fields.extend([trial.seed.to_string(), fold, outcome]);
            fields.extend([number(trial.best), epoch, number(trial.last)]);
            fields.extend([number(trial.test_accuracy), trial.epochs.to_string()]);
            fields.extend([
                format!("{:?}", trial.seconds),
                quoted(&trial.run),
                quoted(&trial.ended),
            ]);
            text += &(fields.join(",") + "\n");
        }
        text
    }
}

fn setting(trials: &[TrialRecord], values: &[String]) -> SettingRecord {
    let of = || trials.iter().filter(|trial| trial.values == values);
    let count = |outcome| of().filter(|trial| trial.outcome == outcome).count();
    // A value before the loss was lost says nothing of the setting.
    let counted = || of().filter(|trial| trial.outcome != Outcome::Failed);
    SettingRecord {
        values: values.to_vec(),
        trials: of().map(|trial| trial.trial).collect(),
        pruned: count(Outcome::Pruned),
        failed: count(Outcome::Failed),
        best: Spread::of(counted().map(|trial| trial.best)),
        last: Spread::of(counted().map(|trial| trial.last)),
        test_accuracy: Spread::of(counted().map(|trial| trial.test_accuracy)),
        seconds: of().map(|trial| trial.seconds).sum(),
    }
}

/// Whether lower values are better.
pub(super) fn is_loss(metric: Monitor) -> bool {
    metric.improves(0.0, Some(1.0), 0.0)
}

/// A value of a metric, or a difference of two: accuracies in percent.
pub fn shown(metric: Monitor, value: Option<f64>) -> String {
    match value {
        Some(value) if is_loss(metric) => loss(value),
        Some(value) => format!("{:.2} %", 100.0 * value),
        None => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn trial(
        trial: usize,
        value: &str,
        best: Option<f64>,
        outcome: Outcome,
    ) -> TrialRecord {
        TrialRecord {
            trial,
            values: vec![value.to_owned()],
            seed: 1,
            fold: None,
            outcome,
            ended: "all epochs are done".to_owned(),
            best,
            best_epoch: best.map(|_| 2),
            last: best,
            test_accuracy: Some(0.5),
            epochs: 3,
            seconds: 1.5,
            run: format!("trials/00{trial}/a-1"),
        }
    }

    fn search(metric: Monitor, trials: Vec<TrialRecord>) -> SearchRecord {
        let keys = ["optimizer.learning_rate".to_owned()];
        SearchRecord::new(("a", &keys), metric, None, (trials, 0))
    }

    #[test]
    fn settings_are_sorted_by_their_means() {
        use Outcome::{Failed, Finished, Pruned};
        let trials = || {
            vec![
                trial(1, "0.1", Some(0.6), Finished),
                trial(2, "0.2", Some(0.9), Finished),
                trial(3, "0.3", Some(0.99), Finished),
                trial(4, "0.1", Some(0.8), Finished),
                trial(5, "0.2", Some(0.7), Pruned),
                trial(6, "0.3", None, Failed),
                trial(7, "0.4", None, Finished),
            ]
        };
        let found = search(Monitor::ValidationAccuracy, trials());
        let order = |found: &SearchRecord| {
            found.settings.iter().map(|setting| setting.values[0].clone()).collect::<Vec<_>>()
        };
        assert_eq!(order(&found), ["0.2", "0.1", "0.4", "0.3"]);
        let best = found.winner().expect("it has one");
        assert_eq!((best.trials.as_slice(), best.pruned, best.failed), (&[2, 5][..], 1, 0));
        let spread = best.best.expect("two values");
        assert!((spread.mean - 0.8).abs() < 1e-12);
        // Of 0.9 and 0.7: the square root of 2 times 0.01.
        assert!((spread.deviation.expect("two") - 0.02_f64.sqrt()).abs() < 1e-12);
        let (lead, noise) = found.lead().expect("both have two");
        assert!((lead - 0.1).abs() < 1e-12 && (noise - 0.02_f64.sqrt() * 2.0).abs() < 1e-12);
        assert_eq!(order(&search(Monitor::ValidationLoss, trials())), ["0.1", "0.2", "0.4", "0.3"]);
        assert!(search(Monitor::TestLoss, vec![trial(1, "1", None, Failed)]).winner().is_none());
        assert_eq!(Spread::of([Some(f64::NAN), None].into_iter()), None);
    }

    #[test]
    fn csv_has_a_line_for_each_trial() {
        let mut one = trial(1, "-0.5", Some(0.25), Outcome::Finished);
        one.ended = "=pruned, early".to_owned();
        let mut text = trial(2, "a,b", None, Outcome::Failed);
        text.fold = Some(3);
        let text = search(Monitor::TestAccuracy, vec![one, text]).to_csv();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("trial,optimizer.learning_rate,seed,fold,outcome,best_test_"));
        assert_eq!(
            lines[1],
            "1,-0.5,1,,finished,0.25,2,0.25,0.5,3,1.5,trials/001/a-1,\"'=pruned, early\""
        );
        assert!(lines[2].starts_with("2,\"a,b\",1,3,failed,,,,0.5,"), "{}", lines[2]);
    }

    #[test]
    fn keys_are_short_where_that_is_plain() {
        let keys = ["optimizer.type", "model.type", "data.first", "epochs"].map(str::to_owned);
        let found = SearchRecord::new(("a", &keys), Monitor::TestLoss, None, (Vec::new(), 0));
        assert_eq!(found.short_keys(), ["optimizer.type", "model.type", "first", "epochs"]);
        assert_eq!(shown(Monitor::TestLoss, Some(0.012_34)), "0.01234");
        assert_eq!(shown(Monitor::TestAccuracy, Some(0.5)), "50.00 %");
    }
}
