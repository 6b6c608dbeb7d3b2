//! The part of a page about numbers that were predicted, or about which classes were said to apply.

use std::fmt::Write as _;

use super::super::ReportError;
use super::super::draw::{Anchor, Axis, Drawing, encode_png, escape, float, png_uri};
use super::super::format::grouped;
use super::super::html::{Page, figure, table};
use super::super::pictures::picture_of;
use super::super::run_facts::TEST;
use super::classes::per_class;
use super::files::Pictures;
use super::run::Run;
use super::sources::Sources;
use crate::data::{Dataset, Task};
use crate::train::{SplitEvaluation, TargetFigures, TargetPredictions};

/// Targets that have a picture each, at most.
const MAX_PICTURES: usize = 12;
/// Examples that a picture has a dot for, at most.
const MAX_DOTS: usize = 2000;
/// Width of a picture, and its height.
const SIZE: (f64, f64) = (460.0, 380.0);
/// Room for numbers on the left and below.
const FRAME: (f64, f64) = (56.0, 44.0);
/// Images that are shown, at most.
const MAX_SHOTS: usize = 24;
/// Targets that are told below an image, at most.
const TOLD: usize = 3;

/// Adds the section.
pub(super) fn targets(
    page: &mut Page,
    run: &Run<'_>,
    (predictions, sources): (&TargetPredictions, &Sources<'_>),
    pictures: &mut Pictures,
) -> Result<(), ReportError> {
    let heading = if predictions.task == Task::MultiLabel { "Classes" } else { "Targets" };
    page.section("targets", heading);
    let stored = run.evaluation.as_ref().and_then(|evaluation| evaluation.splits.get(TEST));
    let Some(split) = stored else {
        let why = "There is no evaluation.json yet: `verigrad eval RUN` writes it.";
        page.missing("figures", why);
        return Ok(());
    };
    page.note(&summary(split));
    match predictions.task {
        Task::MultiLabel => {
            let bars = per_class(split, &predictions.names);
            pictures.svg("per-class", "Figures of each class", &bars)?;
            let caption = "In percent; a class is said to apply from a probability of one half on.";
            page.raw(&figure("per-class", "Each class", &bars, caption));
        }
        _ => numbers(page, split, predictions, pictures)?,
    }
    page.section("predictions", "Predictions");
    match sources.test {
        Some(data) if data.len() == predictions.len() => {
            page.raw("<h3 class=\"next\">Largest errors</h3>\n");
            page.raw(&shots(data, predictions)?);
        }
        Some(data) => {
            let why = format!("The predictions are not those of {}, as it is now.", data.name);
            page.missing("errors", &why);
        }
        None => page.missing("errors", &sources.no_data()),
    }
    Ok(())
}

/// What the figures come to, in a sentence.
fn summary(split: &SplitEvaluation) -> String {
    let examples = grouped(usize::try_from(split.examples).unwrap_or(usize::MAX));
    match &split.multi_label {
        Some(all) => format!(
            "{examples} test images: {:.2} % of all classes of all images are told rightly, all classes of \
             {:.2} % of the images; mean average precision {:.2} %, F1 on average over the classes {:.2} %.",
            100.0 * split.accuracy,
            100.0 * all.exact_match,
            100.0 * all.mean_average_precision,
            100.0 * split.macro_average.f1
        ),
        None => format!("{examples} test images."),
    }
}

/// Figures of each target, and predictions over what was to be predicted.
fn numbers(
    page: &mut Page,
    split: &SplitEvaluation,
    predictions: &TargetPredictions,
    pictures: &mut Pictures,
) -> Result<(), ReportError> {
    let row = |figures: &TargetFigures| {
        let numbers =
            [figures.mean_absolute_error, figures.root_mean_squared_error, figures.r_squared];
        let numbers = numbers.map(|value| format!("{value:.4}"));
        ("", [vec![figures.target.clone()], numbers.to_vec()].concat())
    };
    let rows: Vec<(&str, Vec<String>)> = split.targets.iter().map(row).collect();
    page.raw("<div class=\"narrow\">\n");
    page.raw(&table(&["target", ">mean absolute error", ">root mean square", ">R²"], &rows));
    page.raw("</div>\n<div class=\"two\">\n");
    for (column, name) in predictions.names.iter().enumerate().take(MAX_PICTURES) {
        let drawing = scatter(predictions, column);
        let id = format!("target{column}");
        pictures.svg(&id, name, &drawing)?;
        page.raw(&figure(
            &id,
            name,
            &drawing,
            "Predictions over the targets; on the line, they agree.",
        ));
    }
    page.raw("</div>\n");
    if predictions.names.len() > MAX_PICTURES {
        page.note(&format!("The first {MAX_PICTURES} targets have a picture."));
    }
    Ok(())
}

/// A dot for each example: across what was to be predicted, upward what was.
fn scatter(predictions: &TargetPredictions, column: usize) -> Drawing {
    let every = predictions.len().div_ceil(MAX_DOTS).max(1);
    let pair = |i: usize| {
        let of = |row: &[f32]| row.get(column).map_or(f64::NAN, |&value| f64::from(value));
        (of(predictions.target_row(i)), of(predictions.row(i)))
    };
    let dots: Vec<(f64, f64)> = (0..predictions.len())
        .step_by(every)
        .map(pair)
        .filter(|(t, y)| t.is_finite() && y.is_finite())
        .collect();
    let all = dots.iter().flat_map(|&(t, y)| [t, y]);
    // One scale for both, so that the line of agreement is the diagonal.
    let axis = Axis::around(all, f64::NEG_INFINITY..=f64::INFINITY);
    let mut drawing = Drawing::new(SIZE.0, SIZE.1);
    let (width, height) = (SIZE.0 - FRAME.0 - 8.0, SIZE.1 - FRAME.1 - 8.0);
    let share = |value: f64| (value - axis.min) / (axis.max - axis.min);
    let place = |(t, y): (f64, f64)| (FRAME.0 + share(t) * width, 8.0 + (1.0 - share(y)) * height);
    for &tick in &axis.ticks {
        let (x, y) = place((tick, tick));
        let label = axis.label(tick);
        let bottom = 8.0 + height;
        drawing.line((FRAME.0, y), (FRAME.0 + width, y), "grid");
        drawing.line((x, 8.0), (x, bottom), "grid");
        drawing.text((FRAME.0 - 6.0, y + 4.5), Anchor::End, "muted", &label);
        drawing.text((x, bottom + 18.0), Anchor::Middle, "muted", &label);
    }
    drawing.text((FRAME.0 + width / 2.0, SIZE.1 - 6.0), Anchor::Middle, "muted", "target");
    drawing.line(place((axis.min, axis.min)), place((axis.max, axis.max)), "axis");
    for &(t, y) in &dots {
        let at = place((t, y));
        let title = format!("target {t:.4}, predicted {y:.4}");
        drawing.rect((at.0 - 2.0, at.1 - 2.0), (4.0, 4.0), ("f0", 0.5), &title);
    }
    drawing
}

/// The examples with the largest errors first: of numbers, measured in how much each target varies.
fn worst(predictions: &TargetPredictions) -> Vec<usize> {
    let width = predictions.names.len();
    let spread: Vec<f64> = (0..width).map(|column| spread(predictions, column)).collect();
    let error = |i: usize| -> f64 {
        let pairs = predictions.target_row(i).iter().zip(predictions.row(i)).zip(&spread);
        pairs.map(|((t, y), spread)| (f64::from(*y) - f64::from(*t)).abs() / spread).sum()
    };
    let mut order: Vec<(f64, usize)> = (0..predictions.len()).map(|i| (error(i), i)).collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    order.into_iter().take(MAX_SHOTS).map(|(_, i)| i).collect()
}

/// Standard deviation of a target; 1 where it does not vary, or tells whether a class applies.
fn spread(predictions: &TargetPredictions, column: usize) -> f64 {
    if predictions.task == Task::MultiLabel {
        return 1.0;
    }
    let values = || (0..predictions.len()).map(|i| f64::from(predictions.target_row(i)[column]));
    let n = float(predictions.len().max(1));
    let mean = values().sum::<f64>() / n;
    let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / n;
    if variance > 0.0 { variance.sqrt() } else { 1.0 }
}

/// What was to be predicted of an example and what was, in few words each.
fn told(predictions: &TargetPredictions, example: usize) -> [String; 2] {
    let (row, truth) = (predictions.row(example), predictions.target_row(example));
    if predictions.task == Task::MultiLabel {
        let applying = |values: &[f32]| {
            let named = values.iter().zip(&predictions.names).filter(|(value, _)| **value >= 0.5);
            let names: Vec<&str> = named.map(|(_, name)| name.as_str()).collect();
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        };
        return [applying(truth), applying(row)];
    }
    let few = |values: &[f32]| {
        let numbers: Vec<String> =
            values.iter().take(TOLD).map(|value| format!("{value:.4}")).collect();
        numbers.join(", ") + if values.len() > TOLD { ", ..." } else { "" }
    };
    [few(truth), few(row)]
}

/// Images with the largest errors, as a grid.
fn shots(data: &Dataset, predictions: &TargetPredictions) -> Result<String, ReportError> {
    let mut html = "<div class=\"grid\" id=\"errors\">\n".to_owned();
    for i in worst(predictions) {
        let Ok(pixels) = data.pixels(i) else { continue };
        let size = [data.height, data.width, data.channels];
        let uri = png_uri(&encode_png(&picture_of(&pixels, size))?);
        let [truth, said] = told(predictions, i).map(|text| escape(&text));
        let file = data.file(i).map(|file| format!(": {}", escape(&file))).unwrap_or_default();
        let _ = writeln!(
            html,
            "<div class=\"shot wrong\"><img src=\"{uri}\" width=\"{}\" height=\"{}\" \
             alt=\"test image {i}: {truth} predicted as {said}\" title=\"test image {i}{file}\">\
             <div><span class=\"said\">{said}</span><span class=\"truth\">true: {truth}</span></div></div>",
            data.width, data.height,
        );
    }
    Ok(html + "</div>\n")
}

#[cfg(test)]
mod tests {
    use super::super::super::draw::svg_inline;
    use super::*;

    fn made(task: Task) -> TargetPredictions {
        TargetPredictions {
            task,
            names: vec!["<a>".to_owned(), "b".to_owned()],
            targets: vec![0.0, 100.0, 1.0, 300.0, 0.0, 200.0],
            predictions: vec![0.1, 100.0, 0.2, 300.0, 0.0, 150.0],
        }
    }

    #[test]
    fn errors_are_measured_in_what_a_target_varies() {
        // 0.8 of a target of 0 and 1, 50 of one of 100 to 300.
        assert_eq!(worst(&made(Task::Regression)), [1, 2, 0]);
        assert_eq!(told(&made(Task::Regression), 1), ["1.0000, 300.0000", "0.2000, 300.0000"]);
        assert_eq!(told(&made(Task::MultiLabel), 1), ["<a>, b", "b"]);
        assert_eq!(told(&made(Task::MultiLabel), 0), ["b", "b"]);
    }

    #[test]
    fn there_is_a_dot_for_each_example_that_has_numbers() {
        let mut predictions = made(Task::Regression);
        let dots = |predictions: &TargetPredictions| {
            svg_inline(&scatter(predictions, 0), "x").matches(", predicted ").count()
        };
        assert_eq!(dots(&predictions), 3);
        predictions.predictions[0] = f32::NAN;
        assert_eq!(dots(&predictions), 2);
        predictions.predictions = vec![f32::NAN; 6];
        assert_eq!(dots(&predictions), 0);
    }
}
