//! The page of several runs side by side.

use std::path::{Path, PathBuf};

use super::super::ReportError;
use super::super::draw::{Anchor, COLORS, Drawing, float};
use super::super::format::{duration, grouped};
use super::super::html::{Page, figure, table};
use super::super::run_facts::{RunFacts, TEST};
use super::curves::{RunCurves, accuracies, losses};
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
    let runs: Vec<RunCurves> = entries.iter().map(Entry::curves).collect();
    for (id, chart) in [("accuracy", accuracies(&runs)), ("loss", losses(&runs))] {
        page.raw(&figure(id, chart.heading, &chart.on_page(), ""));
    }
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

    fn curves(&self) -> RunCurves {
        RunCurves { name: self.facts.name.clone(), epochs: self.epochs.clone() }
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

fn parameters(entries: &[Entry]) -> Drawing {
    const ROW: f64 = 30.0;
    const LEFT: f64 = 120.0;
    const BAR: f64 = 240.0;
    let mut drawing = Drawing::new(460.0, ROW * float(entries.len()) + 6.0);
    let counts = entries.iter().map(|entry| entry.facts.parameters().unwrap_or(0));
    let most = float(counts.clone().max().unwrap_or(0).max(1));
    for (i, (entry, count)) in entries.iter().zip(counts).enumerate() {
        let y = ROW * float(i);
        let place = ((LEFT - 10.0, y + 20.0), Anchor::End);
        drawing.text_within(place, LEFT - 12.0, "", &entry.facts.name);
        let color = format!("f{}", i % COLORS);
        drawing.rect((LEFT, y + 6.0), (BAR * float(count) / most, 18.0), (&color, 1.0), "");
        let at = (LEFT + BAR * float(count) / most + 8.0, y + 20.0);
        drawing.text(at, Anchor::Start, "", &grouped(count));
    }
    drawing
}

/// Bars of all runs, class by class. A run has the color that its curves have.
fn class_bars(evaluated: &[&Entry], classes: &[String], all: &[Entry]) -> Drawing {
    const BAR: f64 = 15.0;
    const LEFT: f64 = 110.0;
    const LENGTH: f64 = 290.0;
    let group = BAR * float(evaluated.len()) + 10.0;
    let mut drawing = Drawing::new(460.0, group * float(classes.len()) + 4.0);
    for (class, name) in classes.iter().enumerate() {
        let top = group * float(class) + 5.0;
        let middle = top + (group - 10.0) / 2.0 + 4.5;
        let place = ((LEFT - 10.0, middle), Anchor::End);
        drawing.text_within(place, LEFT - 12.0, "", name);
        for (i, entry) in evaluated.iter().enumerate() {
            let figures = entry.test.as_ref().and_then(|split| split.per_class.get(class));
            let accuracy = figures.map_or(0.0, |figures| figures.accuracy).clamp(0.0, 1.0);
            let number = all.iter().position(|other| other.facts.name == entry.facts.name);
            let color = format!("f{}", number.unwrap_or(i) % COLORS);
            let y = top + BAR * float(i);
            let title = format!("{}, {name}: {:.2} %", entry.facts.name, 100.0 * accuracy);
            drawing.rect((LEFT, y), (LENGTH, BAR - 2.0), ("track", 0.5), &title);
            drawing.rect((LEFT, y), (LENGTH * accuracy, BAR - 2.0), (&color, 1.0), &title);
            let at = (LEFT + LENGTH + 44.0, y + BAR - 4.0);
            drawing.text(at, Anchor::End, "small", &format!("{:.1}", 100.0 * accuracy));
        }
    }
    drawing
}
