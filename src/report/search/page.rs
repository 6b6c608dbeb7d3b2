//! The page of a search: its settings, the curves of its trials, and the metric by each key.

use std::path::Path;
use std::time::Duration;

use super::super::ReportError;
use super::super::draw::{Axis, COLORS, Chart, Line, axis_of};
use super::super::format::duration;
use super::super::html::{Page, figure, table};
use super::record::{Outcome, SearchRecord, SettingRecord, Spread, is_loss, shown};
use crate::train::{EpochRecord, write_atomically};

/// Settings whose trials have colors of their own; the others are the last color, and faint.
const COLORED: usize = COLORS - 1;
/// Numbers of a key that span more than this factor stand on a logarithmic axis.
const WIDE: f64 = 20.0;

/// Writes the page of a search to `path`; `epochs` are those of each trial, in the order of the record.
///
/// # Errors
/// When the file cannot be written.
pub fn write_search_report(
    record: &SearchRecord,
    epochs: &[Vec<EpochRecord>],
    path: &Path,
) -> Result<(), ReportError> {
    let metric = record.metric;
    let lead = match record.winner().and_then(|winner| Some((winner, winner.best?))) {
        Some((winner, best)) => {
            let setting = in_words(record, winner);
            let value = with_deviation(record, Some(best));
            match record.keys.is_empty() {
                true => format!("{metric} is {value} over {} runs.", best.n),
                false => format!("{setting} has the best {metric}: {value}."),
            }
        }
        None => "No trial has succeeded yet.".to_owned(),
    };
    let mut page = Page::new(&format!("Search on {}", record.recipe), &lead);
    page.section("settings", "Settings");
    if record.missing > 0 {
        page.note(&format!("{} trials are yet to be trained.", record.missing));
    }
    page.raw(&settings(record));
    page.section("curves", "Curves");
    let metric_name = metric.to_string();
    page.raw(&figure("metric", &metric_name, &curves(record, epochs).on_page(), CAPTION));
    let charts: Vec<(usize, Chart)> =
        (0..record.keys.len()).filter_map(|key| Some((key, by_key(record, key)?))).collect();
    if !charts.is_empty() {
        page.section("keys", "By value");
        page.raw("<div class=\"two\">\n");
        for (key, chart) in charts {
            let heading = format!("{metric} by {}", record.keys[key]);
            let dots = "A dot for each trial; those that were pruned are dark.";
            page.raw(&figure(&format!("key-{key}"), &heading, &chart.on_page(), dots));
        }
        page.raw("</div>\n");
    }
    page.section("trials", "Trials");
    page.raw(&trials(record));
    Ok(write_atomically(path, page.finish().as_bytes())?)
}

const CAPTION: &str =
    "A curve for each trial. The best settings have colors; the others are faint.";

/// A setting as `key=value` pairs.
fn in_words(record: &SearchRecord, setting: &SettingRecord) -> String {
    let pairs = record.short_keys().into_iter().zip(&setting.values);
    pairs.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(", ")
}

fn with_deviation(record: &SearchRecord, spread: Option<Spread>) -> String {
    let mean = shown(record.metric, spread.map(|spread| spread.mean));
    match spread.and_then(|spread| spread.deviation) {
        Some(deviation) => format!("{mean} ± {}", shown(record.metric, Some(deviation))),
        None => mean,
    }
}

fn seconds(seconds: f64) -> String {
    duration(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

fn settings(record: &SearchRecord) -> String {
    let keys = record.short_keys();
    let mut headings = keys;
    let metric = format!(">best {}", record.metric);
    headings.extend([&metric, ">last epoch", ">test accuracy", ">runs", "of them", ">time"]);
    let row = |(i, setting): (usize, &SettingRecord)| {
        let mut cells = setting.values.clone();
        let wins = i == 0 && record.winner().is_some();
        let star = if wins { "★ " } else { "" };
        cells.push(format!("{star}{}", with_deviation(record, setting.best)));
        cells.push(with_deviation(record, setting.last));
        let test = setting.test_accuracy.map(|spread| format!("{:.2} %", 100.0 * spread.mean));
        cells.push(test.unwrap_or_else(|| "–".to_owned()));
        cells.push(setting.trials.len().to_string());
        cells.push(exceptions(setting));
        cells.push(seconds(setting.seconds));
        (if wins { "winner" } else { "" }, cells)
    };
    table(&headings, &record.settings.iter().enumerate().map(row).collect::<Vec<_>>())
}

/// How many trials of a setting were pruned or failed.
fn exceptions(setting: &SettingRecord) -> String {
    let counts = [(setting.pruned, "pruned"), (setting.failed, "failed")];
    let told = counts.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}"));
    told.collect::<Vec<_>>().join(", ")
}

fn curves(record: &SearchRecord, epochs: &[Vec<EpochRecord>]) -> Chart {
    let scale = if is_loss(record.metric) { 1.0 } else { 100.0 };
    let mut lines: Vec<Line> = Vec::new();
    for (rank, setting) in record.settings.iter().enumerate() {
        let of =
            record.trials.iter().zip(epochs).filter(|(trial, _)| trial.values == setting.values);
        for (i, (_, epochs)) in of.enumerate() {
            let point = |epoch: &EpochRecord| {
                Some((f64::from(epoch.epoch), scale * record.metric.value_of(epoch)?))
            };
            let is_colored = rank < COLORED;
            // One entry in the legend for all trials of a setting.
            let label =
                if is_colored && i == 0 { in_words(record, setting) } else { String::new() };
            let (color, faint) = (rank.min(COLORED), !is_colored);
            lines.push(Line {
                label,
                color,
                faint,
                points: epochs.iter().filter_map(point).collect(),
            });
        }
    }
    // Faint ones behind the others.
    lines.sort_by_key(|line| !line.faint);
    let numbers = || epochs.iter().flatten().map(|epoch| epoch.epoch);
    let y = match is_loss(record.metric) {
        true => axis_of(&lines, true, 0.0..=f64::INFINITY),
        false => axis_of(&lines, false, 0.0..=100.0),
    };
    Chart {
        heading: "",
        lines,
        x: Axis::counting(numbers().min().unwrap_or(1), numbers().max().unwrap_or(1)),
        y,
        x_name: "epoch",
        suffix: if is_loss(record.metric) { "" } else { " %" },
        decimals: 0,
    }
}

/// The best value of each trial against the numbers of a key; none where they are no numbers, or fewer
/// than three.
fn by_key(record: &SearchRecord, key: usize) -> Option<Chart> {
    let scale = if is_loss(record.metric) { 1.0 } else { 100.0 };
    let number = |value: &String| value.parse::<f64>().ok().filter(|value| value.is_finite());
    let values = record.trials.iter().map(|trial| number(trial.values.get(key)?));
    let values: Vec<f64> = values.collect::<Option<_>>()?;
    let mut distinct = values.clone();
    distinct.sort_by(f64::total_cmp);
    distinct.dedup();
    let (least, most) = (*distinct.first()?, *distinct.last()?);
    if distinct.len() < 3 {
        return None;
    }
    let is_wide = least > 0.0 && most > WIDE * least;
    let lines: Vec<Line> = record
        .trials
        .iter()
        .zip(&values)
        .filter(|(trial, _)| trial.outcome != Outcome::Failed)
        .filter_map(|(trial, &value)| {
            let x = if is_wide { value.log10() } else { value };
            let color = if trial.outcome == Outcome::Pruned { COLORED } else { 0 };
            let points = vec![(x, scale * trial.best?)];
            Some(Line { label: String::new(), color, faint: false, points })
        })
        .collect();
    let any = f64::NEG_INFINITY..=f64::INFINITY;
    Some(Chart {
        heading: "",
        x: match is_wide {
            true => Axis::logarithmic(values.into_iter()),
            false => Axis::around(values.into_iter(), any),
        },
        y: axis_of(&lines, false, 0.0..=f64::INFINITY),
        lines,
        x_name: "",
        suffix: if is_loss(record.metric) { "" } else { " %" },
        decimals: 2,
    })
}

fn trials(record: &SearchRecord) -> String {
    let mut headings = vec![">trial"];
    headings.extend(record.short_keys());
    headings.push(">seed");
    headings.extend(record.folds.map(|_| ">fold"));
    let metric = format!(">best {}", record.metric);
    headings.extend([&metric, ">in epoch", ">epochs", ">time", "run", "ended"]);
    let rows = record.trials.iter().map(|trial| {
        let mut cells = vec![trial.trial.to_string()];
        cells.extend(trial.values.iter().cloned());
        cells.push(trial.seed.to_string());
        cells.extend(trial.fold.map(|fold| fold.to_string()));
        cells.push(shown(record.metric, trial.best));
        cells.push(trial.best_epoch.map_or("–".to_owned(), |epoch| epoch.to_string()));
        cells.extend([trial.epochs.to_string(), seconds(trial.seconds)]);
        cells.extend([trial.run.clone(), trial.ended.clone()]);
        ("", cells)
    });
    table(&headings, &rows.collect::<Vec<_>>())
}
