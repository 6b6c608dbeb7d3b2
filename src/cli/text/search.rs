//! What a search found as text: `table.txt`, and what `sweep` and `cross-validate` print.

use std::fmt::Write as _;

use super::comparison::short_time;
use crate::report::{Align, Outcome, SearchRecord, SettingRecord, Spread, Table, shown};

/// Settings that are listed at most.
const MAX_SETTINGS: usize = 40;

/// The table of a search, the best setting, and whether it is ahead by more than chance.
pub(in crate::cli) fn search_text(record: &SearchRecord) -> String {
    let mut text = if record.keys.is_empty() { trials(record) } else { settings(record) };
    if record.settings.len() > MAX_SETTINGS {
        let _ = writeln!(text, "and {} more: trials.csv", record.settings.len() - MAX_SETTINGS);
    }
    if record.missing > 0 {
        let _ = writeln!(text, "{} trials are yet to be trained", record.missing);
    }
    text + &verdict(record)
}

/// A row for each setting.
fn settings(record: &SearchRecord) -> String {
    let mut columns: Vec<(&str, Align)> = vec![("", Align::Right)];
    columns.extend(record.short_keys().into_iter().map(|key| (key, Align::Right)));
    let has_deviation = record.settings.iter().any(|s| s.best.is_some_and(|b| b.n > 1));
    columns.push(("best", Align::Right));
    columns.extend(has_deviation.then_some(("+-", Align::Right)));
    columns.extend([("test acc.", Align::Right), ("runs", Align::Right), ("time", Align::Right)]);
    columns.push(("", Align::Left));
    let mut table = Table::new(&columns);
    for (i, setting) in record.settings.iter().take(MAX_SETTINGS).enumerate() {
        let mut cells = vec![(i + 1).to_string()];
        cells.extend(setting.values.iter().cloned());
        cells.push(mean(record, setting.best));
        cells.extend(has_deviation.then(|| deviation(record, setting.best)));
        cells.push(percent(setting.test_accuracy));
        cells.push(setting.trials.len().to_string());
        cells.push(short_time(setting.seconds));
        cells.push(exceptions(setting));
        table.row(cells);
    }
    format!("{} of the best epoch of each run\n{table}", record.metric)
}

/// A row for each trial: where there is one setting.
fn trials(record: &SearchRecord) -> String {
    let mut columns: Vec<(&str, Align)> = Vec::new();
    columns.extend(record.folds.map(|_| ("fold", Align::Right)));
    columns.extend([("seed", Align::Right), ("best", Align::Right), ("epoch", Align::Right)]);
    columns.extend([("last", Align::Right), ("epochs", Align::Right), ("test acc.", Align::Right)]);
    columns.extend([("time", Align::Right), ("", Align::Left)]);
    let mut table = Table::new(&columns);
    for trial in &record.trials {
        let mut cells: Vec<String> = trial.fold.iter().map(usize::to_string).collect();
        cells.extend([trial.seed.to_string(), shown(record.metric, trial.best)]);
        cells.push(trial.best_epoch.map_or("-".to_owned(), |epoch| epoch.to_string()));
        cells.extend([shown(record.metric, trial.last), trial.epochs.to_string()]);
        cells.push(trial.test_accuracy.map_or("-".to_owned(), |a| format!("{:.2} %", 100.0 * a)));
        cells.push(short_time(trial.seconds));
        cells.push(match trial.outcome {
            Outcome::Finished => String::new(),
            Outcome::Pruned => "pruned".to_owned(),
            Outcome::Failed => "failed".to_owned(),
        });
        table.row(cells);
    }
    if let Some(all) = record.settings.first() {
        let percent_of = |of: fn(Spread) -> Option<f64>, spread: Option<Spread>| {
            spread.and_then(of).map_or("-".to_owned(), |value| format!("{:.2} %", 100.0 * value))
        };
        for (name, of) in
            [("mean", (|s| Some(s.mean)) as fn(Spread) -> Option<f64>), ("+-", |s| s.deviation)]
        {
            let of_metric = |spread: Option<Spread>| shown(record.metric, spread.and_then(of));
            let mut cells = vec![name.to_owned()];
            cells.extend(record.folds.map(|_| String::new()));
            cells.extend([of_metric(all.best), String::new(), of_metric(all.last), String::new()]);
            cells.push(percent_of(of, all.test_accuracy));
            table.row(cells);
        }
    }
    format!("{} of the best and of the last epoch\n{table}", record.metric)
}

fn mean(record: &SearchRecord, spread: Option<Spread>) -> String {
    shown(record.metric, spread.map(|spread| spread.mean))
}

fn deviation(record: &SearchRecord, spread: Option<Spread>) -> String {
    shown(record.metric, spread.and_then(|spread| spread.deviation))
}

fn percent(spread: Option<Spread>) -> String {
    spread.map_or("-".to_owned(), |spread| format!("{:.2} %", 100.0 * spread.mean))
}

fn exceptions(setting: &SettingRecord) -> String {
    let counts = [(setting.pruned, "pruned"), (setting.failed, "failed")];
    let told = counts.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}"));
    told.collect::<Vec<_>>().join(", ")
}

/// The best setting, and what speaks against it.
fn verdict(record: &SearchRecord) -> String {
    let mut text = String::new();
    if let Some(best) = record.winner().filter(|_| !record.keys.is_empty()) {
        let pairs = record.keys.iter().zip(&best.values);
        let sets: Vec<String> = pairs.map(|(key, value)| format!("--set {key}={value}")).collect();
        let _ = writeln!(text, "\nbest     {}", sets.join(" "));
    }
    if let Some((lead, noise)) = record.lead() {
        let than = if noise > lead { "which chance explains" } else { "more than chance explains" };
        let [lead, noise] = [lead, noise].map(|value| shown(record.metric, Some(value)));
        let _ = writeln!(text, "         ahead by {lead}, {than}");
        let _ = writeln!(text, "         (two standard errors: {noise})");
    }
    if record.metric.looks_at_test() && !record.keys.is_empty() {
        let _ = writeln!(
            text,
            "note     chosen by the test set, whose figures are then too good: hold examples\n         \
             out with --set data.validation=0.1 or --folds 5"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::TrialRecord;
    use crate::train::Monitor;

    fn trial(trial: usize, value: Option<&str>, best: f64) -> TrialRecord {
        TrialRecord {
            trial,
            values: value.map(str::to_owned).into_iter().collect(),
            seed: 1,
            fold: value.is_none().then_some(trial),
            outcome: if trial == 4 { Outcome::Pruned } else { Outcome::Finished },
            ended: "all epochs are done".to_owned(),
            best: Some(best),
            best_epoch: Some(2),
            last: Some(best - 0.01),
            test_accuracy: Some(best),
            epochs: 3,
            seconds: 75.0,
            run: format!("trials/{trial:03}/a-1"),
        }
    }

    #[test]
    fn settings_are_ranked_and_the_lead_is_judged() {
        let keys = ["optimizer.learning_rate".to_owned()];
        let trials = [("1e-3", 0.90), ("1e-2", 0.95), ("1e-3", 0.91), ("1e-2", 0.94)];
        let trials = (1..).zip(trials).map(|(n, (value, best))| trial(n, Some(value), best));
        let done = (trials.collect(), 2);
        let record = SearchRecord::new(("a", &keys), Monitor::TestAccuracy, None, done);
        let text = search_text(&record);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        for part in [
            "test_accuracy of the best epoch",
            "1           1e-2  94.50 %  0.71 %",
            "1 pruned",
            "2 trials are yet",
            "best     --set optimizer.learning_rate=1e-2",
            "ahead by 4.00 %, more than chance explains",
            "chosen by the test set",
        ] {
            assert!(text.contains(part), "no {part:?} in\n{text}");
        }
    }

    #[test]
    fn folds_have_a_row_each_and_their_mean() {
        let trials = (1..=3).map(|n| trial(n, None, 0.9 + 0.01 * [1.0, 2.0, 3.0][n - 1])).collect();
        let record =
            SearchRecord::new(("a", &[]), Monitor::ValidationAccuracy, Some(3), (trials, 0));
        let text = search_text(&record);
        assert!(
            text.contains("mean") && text.contains("92.00 %") && text.contains("1.00 %"),
            "{text}"
        );
        assert!(!text.contains("best     "), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }
}
