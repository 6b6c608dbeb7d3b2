//! A comparison as text, at most 80 columns wide: `table.txt`, and what `compare` prints.

use std::fmt::Write as _;
use std::time::Duration;

use super::figures::percent;
use crate::report::format::{decimal, grouped};
use crate::report::{Align, ComparedRun, Comparison, Table};

/// Most runs whose accuracies on classes fit beside each other.
const MAX_RUNS: usize = 6;
/// Most classes whose accuracies are listed.
const MAX_CLASSES: usize = 20;
/// Characters of the longest bar.
const BAR: usize = 30;

/// The tables of a comparison.
pub(in crate::cli) fn comparison_text(comparison: &Comparison) -> String {
    let mut text = runs(comparison).to_string();
    text += &verdict(comparison);
    let _ = writeln!(text, "\nparameters\n{}", parameters(&comparison.runs));
    text + &classes(comparison) + &origins(&comparison.runs)
}

fn label(i: usize, run: &ComparedRun) -> String {
    format!("{} {}", i + 1, run.name)
}

fn runs(comparison: &Comparison) -> Table {
    let mut table = Table::new(&[
        ("run", Align::Left),
        ("accuracy", Align::Right),
        ("loss", Align::Right),
        ("params", Align::Right),
        ("FLOP", Align::Right),
        ("epochs", Align::Right),
        ("time", Align::Right),
        ("images/s", Align::Right),
    ]);
    for (i, run) in comparison.runs.iter().enumerate() {
        let mark = if comparison.winners.contains(&i) { "*" } else { " " };
        table.row([
            label(i, run),
            format!("{}{mark}", percent(run.test_accuracy)),
            run.test_loss.map_or("-".to_owned(), |loss| format!("{loss:.4}")),
            grouped(run.parameters),
            decimal(run.flop_per_image).trim().replace(' ', ""),
            run.epochs.to_string(),
            short_time(run.seconds),
            format!("{:.0}", run.images_per_second),
        ]);
    }
    table
}

/// Who won, and whether by more than chance gives.
fn verdict(comparison: &Comparison) -> String {
    let winners = comparison.winners.iter().filter_map(|&i| comparison.runs.get(i));
    let names: Vec<&str> = winners.map(|run| run.name.as_str()).collect();
    let mut text = match names.as_slice() {
        [winner] => format!("* best on the test set: {winner}\n"),
        tied => format!("* tie on the test set: {}\n", tied.join(", ")),
    };
    if let Some((lead, noise)) = comparison.lead() {
        let (lead, noise) = (100.0 * lead, 100.0 * noise);
        let than = if noise > lead { "which chance explains" } else { "more than chance explains" };
        let _ =
            writeln!(text, "  ahead by {lead:.2} points, {than} (two standard errors: {noise:.2})");
    }
    let examples = |run: &ComparedRun| run.test_examples;
    let counts: Vec<u64> = comparison.runs.iter().map(examples).collect();
    if counts.windows(2).any(|pair| pair[0] != pair[1]) {
        let counts: Vec<String> = counts.iter().map(u64::to_string).collect();
        let _ = writeln!(text, "  the test sets differ: {} images", counts.join(", "));
    }
    text
}

fn parameters(runs: &[ComparedRun]) -> Table {
    let most = runs.iter().map(|run| run.parameters).max().unwrap_or(0).max(1);
    let mut table =
        Table::new(&[("run", Align::Left), ("parameters", Align::Right), ("", Align::Left)]);
    for (i, run) in runs.iter().enumerate() {
        let bar = (run.parameters.saturating_mul(BAR)).div_ceil(most);
        table.row([label(i, run), grouped(run.parameters), "#".repeat(bar)]);
    }
    table
}

fn classes(comparison: &Comparison) -> String {
    if comparison.classes.len() > MAX_CLASSES || comparison.runs.len() > MAX_RUNS {
        return "accuracy by class: see classes.csv\n".to_owned();
    }
    let numbers: Vec<String> = (1..=comparison.runs.len()).map(|i| i.to_string()).collect();
    let mut columns = vec![("accuracy on", Align::Left)];
    columns.extend(numbers.iter().map(|number| (number.as_str(), Align::Right)));
    let mut table = Table::new(&columns);
    for (class, name) in comparison.classes.iter().enumerate() {
        let accuracies: Vec<Option<f64>> =
            comparison.runs.iter().map(|run| run.class_accuracy.get(class).copied()).collect();
        let best = accuracies.iter().flatten().copied().fold(0.0, f64::max);
        let cell = |accuracy: &Option<f64>| match *accuracy {
            Some(accuracy) if accuracy >= best => format!("{}*", percent(accuracy)),
            Some(accuracy) => format!("{} ", percent(accuracy)),
            None => "- ".to_owned(),
        };
        table.row(std::iter::once(name.clone()).chain(accuracies.iter().map(cell)));
    }
    table.to_string()
}

/// Where the runs are, which weights were taken, and what trained them.
fn origins(runs: &[ComparedRun]) -> String {
    let mut text = "\n".to_owned();
    for (i, run) in runs.iter().enumerate() {
        let number = i + 1;
        let _ = writeln!(text, "{number} {} ({} weights)\n  {}", run.path, run.weights, run.device);
    }
    text
}

/// A duration in a few characters.
pub(super) fn short_time(seconds: f64) -> String {
    let time = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    match time.as_secs() {
        0..60 => format!("{:.1}s", time.as_secs_f64()),
        s @ 60..3600 => format!("{}m{:02}s", s / 60, s % 60),
        s => format!("{}h{:02}m", s / 3600, s / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str, correct: u64) -> ComparedRun {
        #[expect(clippy::cast_precision_loss, reason = "small counts")]
        let test_accuracy = correct as f64 / 1000.0;
        ComparedRun {
            name: name.to_owned(),
            path: format!("runs/{name}"),
            recipe: name.to_owned(),
            weights: "best".to_owned(),
            test_accuracy,
            test_loss: None,
            test_examples: 1000,
            test_correct: correct,
            macro_f1: 0.5,
            parameters: 61_100_840,
            flop_per_image: 1_428_000_000,
            epochs: 100,
            seconds: 12_345.6,
            images_per_second: 123_456.7,
            device: "llvmpipe".to_owned(),
            class_accuracy: vec![1.0; 10],
        }
    }

    #[test]
    fn it_fits_a_terminal_and_says_who_won() {
        let classes: Vec<String> = (0..10).map(|i| format!("automobile{i}")).collect();
        let many: Vec<ComparedRun> =
            (0..MAX_RUNS).map(|i| run(&format!("mnist-mlp-scratch-{i}"), 900 + i as u64)).collect();
        let text = comparison_text(&Comparison::new(classes.clone(), many));
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains("best on the test set: mnist-mlp-scratch-5"), "{text}");
        assert!(text.contains("which chance explains"), "{text}");

        let two = vec![run("a", 500), run("b", 900)];
        let text = comparison_text(&Comparison::new(classes.clone(), two));
        assert!(text.contains("90.00 %*") && text.contains("more than chance"), "{text}");
        let mut other = run("b", 900);
        (other.test_examples, other.test_correct) = (2000, 1800);
        let tie = Comparison::new(classes, vec![run("a", 900), other]);
        let text = comparison_text(&tie);
        assert!(text.contains("tie on the test set: a, b"), "{text}");
        assert!(text.contains("the test sets differ: 1000, 2000 images"), "{text}");
    }

    #[test]
    fn durations_are_short() {
        for (seconds, text) in
            [(3.12, "3.1s"), (125.0, "2m05s"), (7260.0, "2h01m"), (f64::NAN, "0.0s")]
        {
            assert_eq!(short_time(seconds), text);
        }
    }
}
