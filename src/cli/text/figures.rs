//! The figures of an evaluation as text, at most 80 columns wide.

use std::fmt::Write as _;

use crate::report::format::{grouped, loss, visible_name};
use crate::report::{Align, Table};
use crate::train::{ClassFigures, SplitEvaluation, TargetFigures};

/// Width of a terminal that everything fits.
const WIDTH: usize = 80;
/// Most classes whose figures are listed.
const MAX_LISTED: usize = 20;
/// Pairs of classes that are listed.
const LISTED_PAIRS: usize = 5;

/// A part of one, in per cent.
pub(in crate::cli) fn percent(part: f64) -> String {
    format!("{:.2} %", 100.0 * part)
}

/// The headline of a split.
pub(in crate::cli) fn headline(name: &str, split: &SplitEvaluation) -> String {
    let examples = grouped(usize::try_from(split.examples).unwrap_or(usize::MAX));
    let mut text = format!("{name:<10} {examples:>6} images  loss {}", loss(split.loss));
    if let [target] = split.targets.as_slice() {
        let TargetFigures { mean_absolute_error, r_squared, .. } = target;
        let _ = write!(text, "  mean error {mean_absolute_error:.4}  R² {r_squared:.4}");
    } else if let Some(all) = &split.multi_label {
        let _ = write!(
            text,
            "  right {}  all right {}  mAP {}",
            percent(split.accuracy),
            percent(all.exact_match),
            percent(all.mean_average_precision)
        );
    } else if !split.targets.is_empty() {
        let squared: f64 = split.targets.iter().map(|target| target.r_squared).sum();
        let n = f64::from(u32::try_from(split.targets.len()).unwrap_or(u32::MAX));
        let _ = write!(text, "  mean R² {:.4}", squared / n);
    } else {
        let _ = write!(text, "  accuracy {}", percent(split.accuracy));
    }
    if !split.per_class.is_empty() && split.multi_label.is_none() {
        let _ = write!(text, "  macro F1 {}", percent(split.macro_average.f1));
    }
    text
}

/// Top-5 accuracy, confusion matrix, figures by class and confused pairs of a split, as far as they
/// fit.
pub(in crate::cli) fn details(split: &SplitEvaluation) -> String {
    let mut text = String::new();
    if let Some(top) = split.top5 {
        let _ = writeln!(text, "label among the five most likely classes: {}", percent(top));
    }
    let n = split.per_class.len();
    match matrix(split) {
        Some(matrix) => {
            let _ = writeln!(text, "\nconfusion: rows are labels, columns predictions\n{matrix}");
        }
        None if n > 0 && split.multi_label.is_none() => {
            let _ = writeln!(text, "\n{n} classes: evaluation.json has their confusion matrix");
        }
        None => {}
    }
    if !split.targets.is_empty() {
        let _ = writeln!(text, "{}", targets(&split.targets));
    }
    if (1..=MAX_LISTED).contains(&n) {
        let _ = writeln!(text, "{}", classes(&split.per_class));
    }
    text + &pairs(split)
}

/// The figures of each target, or the pairs of classes that are confused most.
pub(in crate::cli) fn essence(split: &SplitEvaluation) -> String {
    if split.targets.is_empty() { pairs(split) } else { targets(&split.targets).to_string() }
}

/// The pairs of classes that are confused most.
fn pairs(split: &SplitEvaluation) -> String {
    let listed = split.most_confused.iter().take(LISTED_PAIRS);
    let pairs: Vec<String> = listed
        .map(|pair| {
            let (label, prediction) = (visible_name(&pair.label), visible_name(&pair.prediction));
            format!("{label} taken for {prediction}: {}", pair.count)
        })
        .collect();
    if pairs.is_empty() {
        String::new()
    } else {
        format!("most confused\n  {}\n", pairs.join("\n  "))
    }
}

fn targets(figures: &[TargetFigures]) -> Table {
    let mut table = Table::new(&[
        ("target", Align::Left),
        ("mean absolute error", Align::Right),
        ("root mean square", Align::Right),
        ("R²", Align::Right),
    ]);
    for target in figures {
        table.row([
            target.target.clone(),
            format!("{:.4}", target.mean_absolute_error),
            format!("{:.4}", target.root_mean_squared_error),
            format!("{:.4}", target.r_squared),
        ]);
    }
    table
}

fn classes(figures: &[ClassFigures]) -> Table {
    let mut table = Table::new(&[
        ("class", Align::Left),
        ("images", Align::Right),
        ("precision", Align::Right),
        ("recall", Align::Right),
        ("F1", Align::Right),
    ]);
    for class in figures {
        table.row([
            class.class.clone(),
            class.support.to_string(),
            percent(class.precision),
            percent(class.recall),
            percent(class.f1),
        ]);
    }
    table
}

/// The confusion matrix; none where it is too wide or empty.
fn matrix(split: &SplitEvaluation) -> Option<String> {
    let names: Vec<_> = split.per_class.iter().map(|class| visible_name(&class.class)).collect();
    let widest = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0);
    if split.confusion.is_empty() {
        return None;
    }
    let digits = widest(&mut split.confusion.iter().flatten().map(|n| n.to_string().len()));
    let name_width = widest(&mut names.iter().map(|name| name.chars().count()));
    let label = name_width.min(WIDTH / 4);
    // A blank stands before each column.
    let room = (WIDTH - label).checked_div(names.len())?.checked_sub(1)?;
    if room < digits {
        return None;
    }
    let column = name_width.max(digits).min(room);
    let cut = |name: &str, width: usize| name.chars().take(width).collect::<String>();
    let mut text = format!("{:label$}", "");
    for name in &names {
        let _ = write!(text, " {:>column$}", cut(name, column));
    }
    text.push('\n');
    for (name, row) in names.iter().zip(&split.confusion) {
        let _ = write!(text, "{:<label$}", cut(name, label));
        for count in row {
            let _ = write!(text, " {count:>column$}");
        }
        text.push('\n');
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::Metrics;

    fn split(classes: usize, count: u64) -> SplitEvaluation {
        let names: Vec<String> = (0..classes).map(|i| format!("automobile-{i}")).collect();
        let metrics = Metrics { loss: 0.5, accuracy: 0.1, examples: 1000 };
        SplitEvaluation::new(metrics, Some(0.5), vec![vec![count; classes]; classes], &names)
    }

    #[test]
    fn ten_classes_with_long_names_fit() {
        for count in [0, 7, 1000, 12_345] {
            let text = headline("test", &split(10, count)) + "\n" + &details(&split(10, count));
            assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
            assert!(text.contains("rows are labels") && text.contains("precision"), "{text}");
            assert_eq!(text.contains("most confused"), count > 0, "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let text = details(&split(100, 50));
        assert!(text.contains("100 classes: evaluation.json") && text.contains("taken for"));
        assert!(!text.contains("rows are labels") && !text.contains("precision"), "{text}");
        assert!(!details(&split(0, 0)).contains("confus"));
        assert!(details(&split(1, 3)).contains("rows are labels"));
    }
}
