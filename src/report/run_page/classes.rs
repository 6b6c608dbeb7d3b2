//! The part of a page about classes: confusion matrix, figures of each class, confused pairs.

use std::fmt::Write as _;

use super::super::ReportError;
use super::super::draw::{Anchor, Drawing, float, widest};
use super::super::format::grouped;
use super::super::html::{Page, figure, table};
use super::super::run_facts::TEST;
use super::files::Pictures;
use super::run::Run;
use crate::train::SplitEvaluation;

const WIDTH: f64 = 460.0;
/// Most that a class's name takes.
const NAME: f64 = 96.0;
/// The widest names that stand upright above columns.
const SHORT_NAME: f64 = 26.0;
/// Distance of lines of text.
const LINE: f64 = 16.0;
/// Smallest cell that has room for its count.
const CELL_WITH_TEXT: f64 = 22.0;

/// Adds the section.
pub(super) fn classes(
    page: &mut Page,
    run: &Run<'_>,
    pictures: &mut Pictures,
) -> Result<(), ReportError> {
    page.section("classes", "Classes");
    let Some((evaluation, split)) =
        run.evaluation.as_ref().and_then(|e| Some((e, e.splits.get(TEST)?)))
    else {
        page.missing(
            "confusion",
            "There is no evaluation.json yet: `verigrad eval RUN` writes it.",
        );
        return Ok(());
    };
    let examples = grouped(usize::try_from(split.examples).unwrap_or(usize::MAX));
    let wrong = split.examples.saturating_sub(split.correct());
    let wrong = grouped(usize::try_from(wrong).unwrap_or(usize::MAX));
    let macro_average = split.macro_average;
    let mut summary = format!("{examples} test images, {wrong} of them wrong");
    if let Some(top5) = split.top5 {
        let _ = write!(summary, "; {:.2} % within the first five", 100.0 * top5);
    }
    let _ = write!(
        summary,
        "; on average over the classes: precision {:.2} %, recall {:.2} %, F1 {:.2} %.",
        100.0 * macro_average.precision,
        100.0 * macro_average.recall,
        100.0 * macro_average.f1
    );
    page.note(&summary);
    if split.confusion.is_empty() {
        page.missing("confusion", "There are too many classes to count pairs of them.");
        return Ok(());
    }
    let matrix = confusion(split, &evaluation.classes);
    pictures.svg("confusion", "Confusion matrix", &matrix)?;
    let bars = per_class(split, &evaluation.classes);
    pictures.svg("per-class", "Figures of each class", &bars)?;
    page.raw("<div class=\"two\">\n");
    let caption = "Rows: true class; columns: prediction. Blue: right, orange: wrong.";
    page.raw(&figure("confusion", "Confusion matrix", &matrix, caption));
    page.raw(&figure("per-class", "Each class", &bars, "In percent."));
    page.raw("</div>\n");
    if !split.most_confused.is_empty() {
        let rows: Vec<(&str, Vec<String>)> = split
            .most_confused
            .iter()
            .map(|pair| {
                ("", vec![pair.label.clone(), pair.prediction.clone(), pair.count.to_string()])
            })
            .collect();
        page.raw("<h3 id=\"most-confused\" class=\"next\">Most confused</h3>\n");
        page.raw("<div class=\"narrow\">\n");
        page.raw(&table(&["true class", "taken for", ">images"], &rows));
        page.raw("</div>\n");
    }
    Ok(())
}

/// Counts as a heat map: rows by label, columns by prediction. Right ones are blue; wrong ones are
/// orange, and stronger than their share, so that few of them can be seen.
fn confusion(split: &SplitEvaluation, classes: &[String]) -> Drawing {
    let n = split.confusion.len().max(1);
    let name = widest(classes.iter(), NAME);
    let slanted = name > SHORT_NAME;
    let left = 24.0 + name + 8.0;
    // A slanted name rises and goes on to the right by this, the height of its letters included.
    let rise = name * std::f64::consts::FRAC_1_SQRT_2 + 10.0;
    let top = if slanted { 26.0 + rise } else { 46.0 };
    let right = if slanted { rise - 8.0 } else { 6.0 };
    let cell = (WIDTH - left - right) / float(n);
    let mut drawing = Drawing::new(WIDTH, top + cell * float(n) + 8.0);
    let middle = left + cell * float(n) / 2.0;
    drawing.text((middle, 14.0), Anchor::Middle, "muted", "predicted");
    drawing.text((2.0, top - 8.0), Anchor::Start, "muted", "true");
    // So far apart that no name touches the next one.
    let across = if slanted { LINE * std::f64::consts::SQRT_2 } else { LINE.max(name + 6.0) };
    let every = |apart: f64| (apart / cell).ceil().max(1.0);
    for (i, class) in classes.iter().enumerate().take(n) {
        let at = cell * (float(i) + 0.5);
        if float(i) % every(LINE) == 0.0 {
            let place = ((left - 8.0, top + at + 4.5), Anchor::End);
            drawing.text_within(place, name, "", class);
        }
        if float(i) % every(across) == 0.0 {
            let place = match slanted {
                true => ((left + at + 2.0, top - 7.0), Anchor::Slanted),
                false => ((left + at, top - 8.0), Anchor::Middle),
            };
            drawing.text_within(place, name, "", class);
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
            drawing.rect(place, (cell, cell), ("track", 0.35), "");
            let style = (if right { "f0" } else { "f1" }, opacity);
            drawing.rect(
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
                drawing.text(at, Anchor::Middle, &format!("{class}{small}"), &text);
            }
        }
    }
    drawing
}

/// Precision, recall and F1 of each class, as bars from zero to one.
pub(super) fn per_class(split: &SplitEvaluation, classes: &[String]) -> Drawing {
    const ROW: f64 = 30.0;
    const TOP: f64 = 26.0;
    const NUMBER: f64 = 44.0;
    let left = widest(classes.iter(), NAME).max(36.0) + 12.0;
    let column = (WIDTH - left) / 3.0;
    let bar = column - NUMBER - 14.0;
    let mut drawing = Drawing::new(WIDTH, TOP + ROW * float(split.per_class.len()) + 4.0);
    for (i, heading) in ["precision", "recall", "F1"].into_iter().enumerate() {
        drawing.text((left + column * float(i), 14.0), Anchor::Start, "head", heading);
    }
    for (row, figures) in split.per_class.iter().enumerate() {
        let y = TOP + ROW * float(row);
        let place = ((left - 12.0, y + 17.0), Anchor::End);
        drawing.text_within(place, left - 12.0, "", &figures.class);
        for (i, value) in [figures.precision, figures.recall, figures.f1].into_iter().enumerate() {
            let x = left + column * float(i);
            let share = if value.is_finite() { value.clamp(0.0, 1.0) } else { 0.0 };
            let title = format!(
                "{}, {} examples: {:.2} %",
                figures.class,
                grouped(usize::try_from(figures.support).unwrap_or(usize::MAX)),
                100.0 * value
            );
            drawing.rect((x, y + 5.0), (bar, 15.0), ("track", 0.6), &title);
            drawing.rect((x, y + 5.0), (bar * share, 15.0), (["f0", "f2", "f3"][i], 1.0), &title);
            let text = format!("{:.1}", 100.0 * value);
            drawing.text((x + bar + NUMBER - 4.0, y + 17.0), Anchor::End, "", &text);
        }
    }
    drawing
}

#[cfg(test)]
mod tests {
    use super::super::super::draw::svg_inline;
    use super::*;
    use crate::train::Metrics;

    #[test]
    fn names_are_escaped_and_every_cell_is_there() {
        let classes = ["<b>".to_owned(), "a class with a very long name".to_owned()];
        let metrics = Metrics { loss: 0.1, accuracy: 0.5, examples: 4 };
        let split = SplitEvaluation::new(metrics, None, vec![vec![1, 1], vec![1, 1]], &classes);
        let map = svg_inline(&confusion(&split, &classes), "confusion");
        assert_eq!(map.matches(": 1</title>").count(), 4);
        let bars = svg_inline(&per_class(&split, &classes), "classes");
        for text in [map, bars] {
            assert!(!text.contains("<b>") && text.contains("&lt;b&gt;"), "{text}");
            let name = "<title>a class with a very long name</title>a clas…";
            assert!(text.contains(name) && text.contains("name</text>"), "{text}");
        }
    }

    #[test]
    fn hundreds_of_classes_fit() {
        let classes: Vec<String> = (0..100).map(|i| format!("class {i}")).collect();
        let metrics = Metrics { loss: 0.1, accuracy: 0.5, examples: 4 };
        let split = SplitEvaluation::new(metrics, None, vec![vec![3; 100]; 100], &classes);
        assert!(svg_inline(&confusion(&split, &classes), "confusion").contains("class 0"));
    }

    /// The numbers behind a key of each text with this anchor.
    fn places(svg: &str, anchor: &str, key: &str) -> Vec<f64> {
        let lines = svg.lines().filter(|line| line.contains(anchor) && !line.contains("muted"));
        let number = |line: &str| line.split_once(key)?.1.split(['"', ' ']).next()?.parse().ok();
        lines.filter_map(number).collect()
    }

    #[test]
    fn names_of_any_width_lie_apart_and_inside() {
        for (count, name) in
            [(3, "9"), (30, "999"), (14, "猫"), (60, "a rather long name"), (5, "собака")]
        {
            let classes: Vec<String> = (0..count).map(|i| format!("{name}{i}")).collect();
            let metrics = Metrics { loss: 0.1, accuracy: 0.5, examples: 4 };
            let split = SplitEvaluation::new(metrics, None, vec![vec![3; count]; count], &classes);
            let svg = svg_inline(&confusion(&split, &classes), "confusion");
            let width = widest(classes.iter(), NAME);
            let is_slanted = svg.contains("rotate");
            let (across, apart) = match is_slanted {
                // The distance of parallel lines.
                true => (places(&svg, "rotate", "translate("), LINE * std::f64::consts::SQRT_2),
                // Counts in cells stand in the middle, too, and lie lower.
                false => (places(&svg, "y=\"38.0\" text-anchor=\"middle\"", "x=\""), width + 5.0),
            };
            let down = places(&svg, "text-anchor=\"end\"", " y=\"");
            for (at, apart) in [(&across, apart), (&down, LINE)] {
                assert!(!at.is_empty(), "{name}: {svg}");
                let too_near = at.windows(2).find(|pair| pair[1] - pair[0] < apart - 0.2);
                assert_eq!(too_near, None, "{name}, {count}");
            }
            let last = across.last().copied().unwrap_or_default();
            let room =
                if is_slanted { width * std::f64::consts::FRAC_1_SQRT_2 } else { width / 2.0 };
            assert!(last + room <= WIDTH, "{name}, {count}: {last} + {room}");
        }
    }
}
