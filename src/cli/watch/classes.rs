//! Figures by class, and which classes were taken for which others.

use ratatui::style::{Modifier, Style};
use ratatui::text::Line;

use super::cells::fitting;
use super::run::{Run, State};
use crate::report::format::{grouped_u64, short_name, visible_name};
use crate::train::SplitEvaluation;

/// Columns of the figures of a class, and of a pair.
const FIGURES: usize = 52;
const PAIR: usize = 18;

/// The section in at most `rows` lines; none before the run has such figures.
pub(super) fn section(run: &Run, rows: usize, width: u16) -> Vec<Line<'static>> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let split = run.evaluation().and_then(|evaluation| {
        let (name, split) = evaluation.splits.iter().find(|(name, _)| *name == "test")?;
        Some((name, split, evaluation.weights.name()))
    });
    let Some((name, split, weights)) = split else {
        let text = "figures by class come with the end of the run";
        let line = Line::styled(text, Style::new().add_modifier(Modifier::DIM));
        return if run.state == State::Running { vec![line] } else { Vec::new() };
    };
    let Some(rows) = rows.checked_sub(1).filter(|&rows| rows > 0) else { return Vec::new() };
    let figures = match split.targets.is_empty() {
        true => by_class(split, rows),
        false => by_target(split, rows),
    };
    let has_room = usize::from(width) >= FIGURES + PAIR;
    let pairs = if has_room { most_confused(split, rows) } else { Vec::new() };
    let heading = format!("{name} set, {weights} weights, {} images", grouped_u64(split.examples));
    let mut lines = vec![Line::styled(fitting(&heading, usize::from(width)), bold)];
    for row in 0..figures.len().max(pairs.len()) {
        let left = figures.get(row).map_or("", String::as_str);
        let right = pairs.get(row).map_or("", String::as_str);
        // Columns, not characters: names may be wide.
        let gap = FIGURES.saturating_sub(Line::raw(left).width());
        lines.push(Line::raw(format!("{left}{}{right}", " ".repeat(gap))));
    }
    lines
}

/// A line for each number that is predicted, with a heading, in the order of the targets.
fn by_target(split: &SplitEvaluation, rows: usize) -> Vec<String> {
    let mut lines = vec![format!("{:<15} mean error  root mean square      R²", "target")];
    for target in split.targets.iter().take(rows.saturating_sub(1)) {
        let name = short_name(&target.target);
        let gap = 15usize.saturating_sub(Line::raw(name.as_str()).width());
        lines.push(format!(
            "{name}{} {:>10.4} {:>17.4} {:>7.4}",
            " ".repeat(gap),
            target.mean_absolute_error,
            target.root_mean_squared_error,
            target.r_squared
        ));
    }
    lines
}

/// A line for each class with a heading, in the order of the labels; where there are more than `rows`, the
/// worst ones.
fn by_class(split: &SplitEvaluation, rows: usize) -> Vec<String> {
    let mut classes: Vec<_> = split.per_class.iter().collect();
    let (n, room) = (classes.len(), rows.saturating_sub(1));
    let what = if n > room {
        classes.sort_by(|a, b| a.f1.total_cmp(&b.f1));
        format!("worst of {n}")
    } else {
        "class".to_owned()
    };
    let mut lines = vec![format!("{what:<15} precision  recall      F1  images")];
    let percent = |part: f64| format!("{:.1} %", 100.0 * part);
    for class in classes.into_iter().take(room) {
        let name = short_name(&class.class);
        let gap = 15usize.saturating_sub(Line::raw(name.as_str()).width());
        lines.push(format!(
            "{name}{} {:>9} {:>7} {:>7} {:>7}",
            " ".repeat(gap),
            percent(class.precision),
            percent(class.recall),
            percent(class.f1),
            grouped_u64(class.support)
        ));
    }
    if split.per_class.is_empty() { Vec::new() } else { lines }
}

/// The most frequent wrong predictions.
fn most_confused(split: &SplitEvaluation, rows: usize) -> Vec<String> {
    let pairs = split.most_confused.iter().take(rows.saturating_sub(1)).map(|pair| {
        let (label, prediction) = (short_name(&pair.label), short_name(&pair.prediction));
        visible_name(&format!("{label} taken for {prediction}  {}", grouped_u64(pair.count)))
            .into_owned()
    });
    let mut lines: Vec<String> = pairs.collect();
    if !lines.is_empty() {
        lines.insert(0, "most confused".to_owned());
    }
    lines
}
