//! The page of several runs side by side.

use std::path::{Path, PathBuf};

use super::ReportError;
use super::chart::{Chart, Line, axis_of};
use super::classes::short;
use super::format::{duration, grouped};
use super::page::{Page, figure, table};
use super::run_facts::{RunFacts, TEST};
use super::svg::{Anchor, Svg, float};
use super::training::epoch_axis;
use crate::train::{EpochRecord, RunDir, SplitEvaluation, write_atomically};

/// One of the runs.
struct Entry {
    facts: RunFacts,
    epochs: Vec<EpochRecord>,
    classes: Vec<String>,
    test: Option<SplitEvaluation>,
}

/// Writes the page that compares runs to `path`, and gives it back: a table, curves of all, and
/// bars of parameters and of each class, as far as the run directories hold them.
///
/// # Errors
/// When a run cannot be read, or the file cannot be written.
pub fn write_comparison_report(runs: &[RunDir], path: &Path) -> Result<PathBuf, ReportError> {
    let entries = runs.iter().map(Entry::read).collect::<Result<Vec<_>, _>>()?;
    let best = entries.iter().filter_map(Entry::shown_accuracy).max();
    let winners: Vec<&str> = entries
        .iter()
        .filter(|entry| best.is_some() && entry.shown_accuracy() == best)
        .map(|entry| entry.facts.name.as_str())
        .collect();
    let lead = match winners.as_slice() {
        [] => "No run has a test accuracy yet.".to_owned(),
        [winner] => format!("{winner} has the highest test accuracy."),
        tied => format!("A tie: {} have the highest test accuracy.", tied.join(" and ")),
    };
    let mut page = Page::new(&format!("{} runs side by side", entries.len()), &lead);
    page.section("table", "Figures");
    page.raw(&figures(&entries, &winners));
    page.section("curves", "Curves");
    page.raw("<div class=\"two\">\n");
    let accuracy = curves(&entries, |e| Some(100.0 * e.test_accuracy?), (" %", 2));
    page.raw(&figure("accuracy", "Test accuracy", &accuracy.draw(), ""));
    let loss = curves(&entries, |e| e.test_loss, ("", 4));
    page.raw(&figure("loss", "Test loss", &loss.draw(), ""));
    page.raw("</div>\n");
    page.section("sizes", "Parameters");
    page.raw(&figure("parameters", "", &parameters(&entries), ""));
    page.section("classes", "Classes");
    let evaluated: Vec<&Entry> = entries.iter().filter(|entry| entry.test.is_some()).collect();
    match evaluated.first() {
        Some(first) if evaluated.iter().all(|entry| entry.classes == first.classes) => {
            let caption = "Share of each class's images that is classified correctly, in percent.";
            let bars = class_bars(&evaluated, &first.classes, &entries);
            page.raw(&figure("per-class", "Accuracy of each class", &bars, caption));
        }
        Some(_) => page.missing("per-class", "The runs are about different classes."),
        None => page.missing("per-class", "No run has an evaluation.json yet."),
    }
    write_atomically(path, page.finish().as_bytes())?;
    Ok(path.to_owned())
}

impl Entry {
    fn read(run: &RunDir) -> Result<Self, ReportError> {
        let epochs = run.epochs()?;
        let evaluation = run.evaluation()?;
        let facts = RunFacts::read(run, &epochs, evaluation.as_ref());
        let (classes, test) = match evaluation {
            Some(mut evaluation) => (evaluation.classes, evaluation.splits.remove(TEST)),
            None => (Vec::new(), None),
        };
        let test = test.filter(|split| !split.per_class.is_empty());
        Ok(Self { facts, epochs, classes, test })
    }

    /// Test accuracy in hundredths of a percent, as the table shows it: what looks equal is a tie.
    fn shown_accuracy(&self) -> Option<u32> {
        let (accuracy, _) = self.facts.accuracy().filter(|(accuracy, _)| accuracy.is_finite())?;
        format!("{:.0}", 10_000.0 * accuracy).parse().ok()
    }
}

fn figures(entries: &[Entry], winners: &[&str]) -> String {
    let headings = [
        "run",
        ">test accuracy",
        ">test loss",
        ">parameters",
        ">epochs",
        ">time",
        ">images/s",
        "device",
    ];
    let rows: Vec<(&str, Vec<String>)> = entries
        .iter()
        .map(|entry| {
            let facts = &entry.facts;
            let wins = winners.contains(&facts.name.as_str());
            let or_dash = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
            let accuracy = facts
                .accuracy()
                .map(|(a, _)| format!("{}{:.2} %", if wins { "★ " } else { "" }, 100.0 * a));
            let cells = vec![
                facts.name.clone(),
                or_dash(accuracy),
                or_dash(facts.loss().map(|(loss, _)| format!("{loss:.4}"))),
                or_dash(facts.parameters().map(grouped)),
                facts.epochs().to_string(),
                duration(facts.time()),
                or_dash(facts.images_per_second().map(|rate| format!("{rate:.0}"))),
                facts.device().0,
            ];
            (if wins { "winner" } else { "" }, cells)
        })
        .collect();
    table(&headings, &rows)
}

/// One curve for each run.
fn curves(
    entries: &[Entry],
    of: impl Fn(&EpochRecord) -> Option<f64>,
    (suffix, decimals): (&'static str, usize),
) -> Chart {
    let line = |(color, entry): (usize, &Entry)| {
        let point = |record: &EpochRecord| Some((f64::from(record.epoch), of(record)?));
        let points = entry.epochs.iter().filter_map(point).collect();
        Line { label: entry.facts.name.clone(), color, faint: false, points }
    };
    let lines: Vec<Line> = entries.iter().enumerate().map(line).collect();
    let longest = entries.iter().max_by_key(|entry| entry.epochs.len());
    let x = epoch_axis(longest.map_or(&[], |entry| &entry.epochs));
    let is_share = suffix == " %";
    let limits = if is_share { 0.0..=100.0 } else { 0.0..=f64::INFINITY };
    let y = axis_of(&lines, !is_share, limits);
    Chart { lines, x, y, x_name: "epoch", suffix, decimals }
}

fn parameters(entries: &[Entry]) -> Svg {
    const ROW: f64 = 30.0;
    const LEFT: f64 = 120.0;
    const BAR: f64 = 240.0;
    let mut svg = Svg::new(460.0, ROW * float(entries.len()) + 6.0);
    let counts = entries.iter().map(|entry| entry.facts.parameters().unwrap_or(0));
    let most = float(counts.clone().max().unwrap_or(0).max(1));
    for (i, (entry, count)) in entries.iter().zip(counts).enumerate() {
        let y = ROW * float(i);
        svg.text((LEFT - 10.0, y + 20.0), Anchor::End, "", &short(&entry.facts.name));
        let color = format!("f{}", i % super::chart::COLORS);
        svg.rect((LEFT, y + 6.0), (BAR * float(count) / most, 18.0), (&color, 1.0), "");
        let at = (LEFT + BAR * float(count) / most + 8.0, y + 20.0);
        svg.text(at, Anchor::Start, "", &grouped(count));
    }
    svg
}

/// Bars of all runs, class by class. A run has the color that its curves have.
fn class_bars(evaluated: &[&Entry], classes: &[String], all: &[Entry]) -> Svg {
    const BAR: f64 = 15.0;
    const LEFT: f64 = 110.0;
    const LENGTH: f64 = 290.0;
    let group = BAR * float(evaluated.len()) + 10.0;
    let mut svg = Svg::new(460.0, group * float(classes.len()) + 4.0);
    for (class, name) in classes.iter().enumerate() {
        let top = group * float(class) + 5.0;
        let middle = top + (group - 10.0) / 2.0 + 4.5;
        svg.text((LEFT - 10.0, middle), Anchor::End, "", &short(name));
        for (i, entry) in evaluated.iter().enumerate() {
            let figures = entry.test.as_ref().and_then(|split| split.per_class.get(class));
            let accuracy = figures.map_or(0.0, |figures| figures.accuracy).clamp(0.0, 1.0);
            let number = all.iter().position(|other| other.facts.name == entry.facts.name);
            let color = format!("f{}", number.unwrap_or(i) % super::chart::COLORS);
            let y = top + BAR * float(i);
            let title = format!("{}, {name}: {:.2} %", entry.facts.name, 100.0 * accuracy);
            svg.rect((LEFT, y), (LENGTH, BAR - 2.0), ("track", 0.5), &title);
            svg.rect((LEFT, y), (LENGTH * accuracy, BAR - 2.0), (&color, 1.0), &title);
            let at = (LEFT + LENGTH + 44.0, y + BAR - 4.0);
            svg.text(at, Anchor::End, "small", &format!("{:.1}", 100.0 * accuracy));
        }
    }
    svg
}
