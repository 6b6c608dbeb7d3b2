//! Confusion matrix and figures of each class, as vector pictures.

use super::format::grouped;
use super::svg::{Anchor, Svg, float};
use crate::train::SplitEvaluation;

const WIDTH: f64 = 460.0;
/// Width of an average character.
const CHARACTER: f64 = 7.0;
/// Longest name that is written out, in characters.
const MAX_NAME: usize = 14;
/// Smallest cell that has room for its count.
const CELL_WITH_TEXT: f64 = 22.0;

/// A class's name, shortened where it is long.
pub(super) fn short(name: &str) -> String {
    if name.chars().count() <= MAX_NAME {
        return name.to_owned();
    }
    name.chars().take(MAX_NAME - 1).chain(['…']).collect()
}

fn widest(classes: &[String]) -> f64 {
    let widest = classes.iter().map(|name| short(name).chars().count()).max().unwrap_or(1);
    float(widest) * CHARACTER
}

/// Counts as a heat map: rows by label, columns by prediction. Right ones are blue; wrong ones are
/// orange, and stronger than their share, so that few of them can be seen.
pub(super) fn confusion(split: &SplitEvaluation, classes: &[String]) -> Svg {
    let n = split.confusion.len().max(1);
    let name = widest(classes);
    let slanted = classes.iter().any(|class| class.chars().count() > 3);
    let left = 24.0 + name + 8.0;
    let top = if slanted { 26.0 + name * 0.72 + 8.0 } else { 46.0 };
    let right = if slanted { (name * 0.72 - 10.0).clamp(6.0, 40.0) } else { 6.0 };
    let cell = (WIDTH - left - right) / float(n);
    let mut svg = Svg::new(WIDTH, top + cell * float(n) + 8.0);
    let middle = left + cell * float(n) / 2.0;
    svg.text((middle, 14.0), Anchor::Middle, "muted", "predicted");
    svg.text((2.0, top - 8.0), Anchor::Start, "muted", "true");
    let every = (16.0 / cell).ceil().max(1.0);
    for (i, class) in classes.iter().enumerate().take(n) {
        if float(i) % every != 0.0 {
            continue;
        }
        let at = cell * (float(i) + 0.5);
        svg.text((left - 8.0, top + at + 4.5), Anchor::End, "", &short(class));
        if slanted {
            svg.slanted((left + at + 2.0, top - 7.0), "", &short(class));
        } else {
            svg.text((left + at, top - 8.0), Anchor::Middle, "", &short(class));
        }
    }
    for (label, row) in split.confusion.iter().enumerate() {
        let support = row.iter().sum::<u64>().max(1);
        for (prediction, &count) in row.iter().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "a share to color by")]
            let share = count as f64 / support as f64;
            let right = label == prediction;
            let strength = if right { share } else { share.sqrt() };
            let opacity = if count == 0 { 0.0 } else { strength.mul_add(0.9, 0.1).min(1.0) };
            let place = (left + cell * float(prediction), top + cell * float(label));
            let name = |class: usize| classes.get(class).map_or("?", String::as_str);
            let title = format!("{} as {}: {count}", name(label), name(prediction));
            let gap = if cell > 8.0 { 1.0 } else { 0.0 };
            svg.rect(place, (cell, cell), ("track", 0.35), "");
            let style = (if right { "f0" } else { "f1" }, opacity);
            svg.rect(
                (place.0 + gap, place.1 + gap),
                (cell - 2.0 * gap, cell - 2.0 * gap),
                style,
                &title,
            );
            if cell >= CELL_WITH_TEXT && count > 0 {
                let class = if opacity > 0.55 { "strong" } else { "" };
                let text = count.to_string();
                let small = if float(text.len()) * 7.6 > cell { " small" } else { "" };
                let at = (place.0 + cell / 2.0, place.1 + cell / 2.0 + 4.5);
                svg.text(at, Anchor::Middle, &format!("{class}{small}"), &text);
            }
        }
    }
    svg
}

/// Precision, recall and F1 of each class, as bars from zero to one.
pub(super) fn per_class(split: &SplitEvaluation, classes: &[String]) -> Svg {
    const ROW: f64 = 30.0;
    const TOP: f64 = 26.0;
    const NUMBER: f64 = 44.0;
    let left = widest(classes).max(36.0) + 12.0;
    let column = (WIDTH - left) / 3.0;
    let bar = column - NUMBER - 14.0;
    let mut svg = Svg::new(WIDTH, TOP + ROW * float(split.per_class.len()) + 4.0);
    for (i, heading) in ["precision", "recall", "F1"].into_iter().enumerate() {
        svg.text((left + column * float(i), 14.0), Anchor::Start, "head", heading);
    }
    for (row, figures) in split.per_class.iter().enumerate() {
        let y = TOP + ROW * float(row);
        svg.text((left - 12.0, y + 17.0), Anchor::End, "", &short(&figures.class));
        for (i, value) in [figures.precision, figures.recall, figures.f1].into_iter().enumerate() {
            let x = left + column * float(i);
            let share = if value.is_finite() { value.clamp(0.0, 1.0) } else { 0.0 };
            let title = format!(
                "{}, {} examples: {:.2} %",
                figures.class,
                grouped(usize::try_from(figures.support).unwrap_or(usize::MAX)),
                100.0 * value
            );
            svg.rect((x, y + 5.0), (bar, 15.0), ("track", 0.6), &title);
            svg.rect((x, y + 5.0), (bar * share, 15.0), (["f0", "f2", "f3"][i], 1.0), &title);
            let text = format!("{:.1}", 100.0 * value);
            svg.text((x + bar + NUMBER - 4.0, y + 17.0), Anchor::End, "", &text);
        }
    }
    svg
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::Metrics;

    #[test]
    fn names_are_escaped_and_every_cell_is_there() {
        let classes = ["<b>".to_owned(), "a class with a very long name".to_owned()];
        let metrics = Metrics { loss: 0.1, accuracy: 0.5, examples: 4 };
        let split = SplitEvaluation::new(metrics, None, vec![vec![1, 1], vec![1, 1]], &classes);
        let map = confusion(&split, &classes).inline("confusion");
        assert_eq!(map.matches(": 1</title>").count(), 4);
        let bars = per_class(&split, &classes).inline("classes");
        for text in [map, bars] {
            assert!(!text.contains("<b>") && text.contains("&lt;b&gt;"), "{text}");
            assert!(text.contains("a class with …"), "{text}");
        }
    }

    #[test]
    fn hundreds_of_classes_fit() {
        let classes: Vec<String> = (0..100).map(|i| format!("class {i}")).collect();
        let metrics = Metrics { loss: 0.1, accuracy: 0.5, examples: 4 };
        let split = SplitEvaluation::new(metrics, None, vec![vec![3; 100]; 100], &classes);
        assert!(confusion(&split, &classes).inline("confusion").contains("class 0"));
    }
}
