//! Images with what the model said about them: the right ones and the wrong ones.

use std::fmt::Write as _;

use image::RgbImage;

use super::super::ReportError;
use super::super::draw::{Anchor, Drawing, bitmap, encode_png, escape, float, png_uri};
use super::super::pictures::picture_of;
use crate::data::Dataset;
use crate::train::Predictions;

/// Images in a row of a picture.
const PER_ROW: usize = 8;
/// Width and height of an image of a picture with its text, and the distance between two.
const CELL: (f64, f64) = (104.0, 184.0);
/// Height of a rightly classified one, which needs no true class.
const RIGHT_HEIGHT: f64 = 147.0;
const GAP: f64 = 12.0;
/// Pixels of a picture for one unit of length, so that it is sharp on fine screens.
const SCALE: f64 = 2.0;

/// Images of a grid at most.
const MAX_SHOTS: usize = 24;

/// Which images a grid shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Rightly classified ones: the first of each class, in turns.
    Right,
    /// Wrongly classified ones, those first that the model was most sure of.
    Wrong,
}

/// The examples that a grid shows.
pub(super) fn chosen(predictions: &Predictions, kind: Kind) -> Vec<usize> {
    let is_right = |&i: &usize| predictions.labels[i] == predictions.predictions[i];
    let all = 0..predictions.len().min(predictions.predictions.len());
    match kind {
        Kind::Right => {
            let mut by_class: Vec<Vec<usize>> = vec![Vec::new(); predictions.classes];
            for i in all.filter(is_right) {
                let class = predictions.labels[i] as usize;
                if let Some(of_class) = by_class.get_mut(class) {
                    of_class.push(i);
                }
            }
            let longest = by_class.iter().map(Vec::len).max().unwrap_or(0);
            let turns = (0..longest).flat_map(|turn| {
                by_class.iter().filter_map(move |of_class| of_class.get(turn).copied())
            });
            turns.take(MAX_SHOTS).collect()
        }
        Kind::Wrong => {
            let mut wrong: Vec<usize> = all.filter(|i| !is_right(i)).collect();
            let sure = |&i: &usize| probability(predictions, i, predictions.predictions[i]);
            wrong.sort_by(|a, b| sure(b).total_cmp(&sure(a)).then(a.cmp(b)));
            wrong.truncate(MAX_SHOTS);
            wrong
        }
    }
}

/// What is wrong with taking `predictions` for those of `data`, if anything.
pub(super) fn mismatch(data: &Dataset, predictions: &Predictions) -> Option<String> {
    let same = data.labels == predictions.labels && data.classes.len() == predictions.classes;
    (!same).then(|| format!("The predictions are not those of {}, as it is now.", data.name))
}

/// The images as a grid of a page.
pub(super) fn grid(
    id: &str,
    data: &Dataset,
    predictions: &Predictions,
    kind: Kind,
) -> Result<String, ReportError> {
    let mut html = format!("<div class=\"grid\" id=\"{id}\">\n");
    for i in chosen(predictions, kind) {
        let (label, prediction) = (predictions.labels[i], predictions.predictions[i]);
        let Ok(pixels) = data.pixels(i) else { continue };
        let size = [data.height, data.width, data.channels];
        let uri = png_uri(&encode_png(&picture_of(&pixels, size))?);
        let name = |class: u32| escape(data.class_name(class).unwrap_or("?"));
        let (class, truth) = if kind == Kind::Wrong {
            let share = percent(probability(predictions, i, label));
            ("shot wrong", format!("true: {} {share}", name(label)))
        } else {
            ("shot", format!("true: {}", name(label)))
        };
        let said = percent(probability(predictions, i, prediction));
        let file = data.file(i).map(|file| format!(": {}", escape(&file))).unwrap_or_default();
        let _ = writeln!(
            html,
            "<div class=\"{class}\"><img src=\"{uri}\" width=\"{}\" height=\"{}\" \
             alt=\"test image {i}: {} taken for {}\" title=\"test image {i}{file}\">\
             <div><span class=\"said\">{} {said}</span><span class=\"truth\">{truth}</span></div></div>",
            data.width,
            data.height,
            name(label),
            name(prediction),
            name(prediction),
        );
    }
    Ok(html + "</div>\n")
}

/// The images as a picture of its own; none where there are no such images.
pub(super) fn picture(
    data: &Dataset,
    predictions: &Predictions,
    kind: Kind,
) -> Result<Option<RgbImage>, ReportError> {
    let shots = chosen(predictions, kind);
    if shots.is_empty() {
        return Ok(None);
    }
    let rows = shots.len().div_ceil(PER_ROW);
    let columns = shots.len().min(PER_ROW);
    let along = |n: usize, size: f64| GAP + float(n) * (size + GAP);
    let height = if kind == Kind::Right { RIGHT_HEIGHT } else { CELL.1 };
    let mut drawing = Drawing::new(along(columns, CELL.0), along(rows, height));
    let class = if kind == Kind::Wrong { "bad" } else { "good" };
    let name = |class: u32| data.class_name(class).unwrap_or("?");
    for (place, &i) in shots.iter().enumerate() {
        let (x, y) = (along(place % PER_ROW, CELL.0), along(place / PER_ROW, height));
        let Ok(pixels) = data.pixels(i) else { continue };
        drawing.rect((x, y), (CELL.0, 4.0), (class, 1.0), "");
        let size = [data.height, data.width, data.channels];
        drawing.image((x, y + 4.0), fitted(size), picture_of(&pixels, size));
        let (label, prediction) = (predictions.labels[i], predictions.predictions[i]);
        let said = share(probability(predictions, i, prediction));
        let mut line = |below: f64, class: &str, text: &str| {
            let place = ((x, y + CELL.0 + below), Anchor::Start);
            drawing.text_within(place, CELL.0, class, text);
        };
        line(20.0, class, name(prediction));
        line(37.0, "muted", &said);
        if kind == Kind::Right {
            continue;
        }
        let truth = share(probability(predictions, i, label));
        line(57.0, "", name(label));
        line(74.0, "muted", &format!("true, {truth}"));
    }
    bitmap(&drawing, SCALE).map(Some)
}

/// Width and height of an image of `[height, width, channels]` within its cell.
fn fitted([height, width, _]: [usize; 3]) -> (f64, f64) {
    let longest = float(height.max(width).max(1));
    (CELL.0 * float(width) / longest, CELL.0 * float(height) / longest)
}

fn probability(predictions: &Predictions, example: usize, class: u32) -> f32 {
    predictions.row(example).get(class as usize).copied().unwrap_or(f32::NAN)
}

/// A share for a page.
fn percent(share: f32) -> String {
    escape(&self::share(share))
}

/// A share without pretending to be certain.
fn share(share: f32) -> String {
    let percent = 100.0 * share;
    if share < 1.0 && percent >= 99.95 {
        ">99.9\u{a0}%".to_owned()
    } else if share > 0.0 && percent < 0.05 {
        "<0.1\u{a0}%".to_owned()
    } else {
        format!("{percent:.1}\u{a0}%")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn right_ones_come_in_turns_and_wrong_ones_by_certainty() {
        let rows = [0.9, 0.1, 0.8, 0.2, 0.3, 0.7, 0.6, 0.4, 0.05, 0.95];
        let predictions = Predictions::of_probabilities(vec![0, 0, 1, 1, 0], rows.to_vec(), 2);
        assert_eq!(chosen(&predictions, Kind::Right), [0, 2, 1]);
        assert_eq!(chosen(&predictions, Kind::Wrong), [4, 3]);
        let classes = vec!["<b>".to_owned(), "two".to_owned()];
        let data = Dataset::new("set", vec![7; 20], vec![0, 0, 1, 1, 0], [2, 2, 1], classes);
        let mut data = data.expect("the counts agree");
        assert_eq!(mismatch(&data, &predictions), None);
        let html = grid("wrong", &data, &predictions, Kind::Wrong).expect("a grid");
        let picture = picture(&data, &predictions, Kind::Wrong).expect("a picture");
        assert!(picture.expect("two are wrong").width() > 400);
        assert_eq!(html.matches("<img src=\"data:image/png;base64,").count(), 2);
        assert!(html.contains("&lt;b&gt;") && !html.contains("<b>"), "{html}");
        data.labels[0] = 1;
        assert!(mismatch(&data, &predictions).is_some());
    }

    #[test]
    fn shares_do_not_pretend_certainty() {
        assert_eq!(percent(1.0), "100.0\u{a0}%");
        assert_eq!(percent(0.99996), "&gt;99.9\u{a0}%");
        assert_eq!(percent(1e-6), "&lt;0.1\u{a0}%");
    }
}
