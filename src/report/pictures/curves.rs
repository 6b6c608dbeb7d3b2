//! Loss and accuracy over the epochs and steps of one run, for its page and as a PNG.

use std::path::Path;

use image::RgbImage;

use super::super::ReportError;
use super::super::draw::{
    Anchor, Axis, Chart, Drawing, Line, axis_of, bitmap, encode_png, float, thinned,
};
use crate::train::{EpochRecord, StepRecord, write_atomically};

/// Width and height of the picture in pixels.
pub const CURVES_SIZE: (u32, u32) = (1200, 500);
/// Width and height of one of the two charts of a picture, and the distance between them.
const CHART: (f64, f64) = (564.0, 430.0);
const BETWEEN: f64 = 24.0;
const MARGIN: f64 = 24.0;
/// Room for the title, and below the charts.
const TITLE: f64 = 56.0;
const BELOW: f64 = 14.0;

/// Draws the curves of `epochs` and writes them as a PNG of [`CURVES_SIZE`] pixels, or higher where
/// a legend needs room. Values that are not finite leave a gap.
///
/// # Errors
/// When the file cannot be written; a former picture then stays as it was.
pub fn write_curves(path: &Path, title: &str, epochs: &[EpochRecord]) -> Result<(), ReportError> {
    Ok(write_atomically(path, &encode_png(&draw_curves(title, epochs)?)?)?)
}

/// Draws the curves of `epochs`: loss on the left, accuracy on the right; of a model that does not classify,
/// loss alone.
///
/// # Errors
/// When drawing fails, which is a defect of verigrad.
pub fn draw_curves(title: &str, epochs: &[EpochRecord]) -> Result<RgbImage, ReportError> {
    let drawing = match epochs.is_empty() || have_accuracies(epochs) {
        true => beside(title, &losses(epochs), &accuracies(epochs)),
        false => {
            alone(title, &losses(epochs), (f64::from(CURVES_SIZE.0), f64::from(CURVES_SIZE.1)))
        }
    };
    bitmap(&drawing, 1.0)
}

/// Whether there is an accuracy to show: of a model that classifies.
pub(crate) fn have_accuracies(epochs: &[EpochRecord]) -> bool {
    epochs.iter().any(|epoch| !epoch.train_accuracy.is_nan() || epoch.test_accuracy.is_some())
}

/// A chart below a title, in a picture of `size`.
pub(super) fn alone(title: &str, chart: &Chart, (width, height): (f64, f64)) -> Drawing {
    let mut drawing = Drawing::new(width, height);
    let room = width - 2.0 * MARGIN;
    drawing.text_within(((MARGIN, 29.0), Anchor::Start), room, "title", title);
    drawing.place((MARGIN, TITLE), chart.with_heading((room, height - TITLE - MARGIN / 2.0)));
    drawing
}

/// Two charts side by side below a title.
pub(crate) fn beside(title: &str, left: &Chart, right: &Chart) -> Drawing {
    let (left, right) = (left.with_heading(CHART), right.with_heading(CHART));
    let charts = 2.0 * CHART.0 + BETWEEN;
    let mut drawing =
        Drawing::new(charts + 2.0 * MARGIN, TITLE + left.height.max(right.height) + BELOW);
    drawing.text_within(((MARGIN, 29.0), Anchor::Start), charts, "title", title);
    drawing.place((MARGIN, TITLE), left);
    drawing.place((MARGIN + CHART.0 + BETWEEN, TITLE), right);
    drawing
}

/// Points of a chart over steps at most.
const MAX_POINTS: usize = 600;
/// Points of its smoothed curve.
const SMOOTH_POINTS: usize = 60;

/// Losses of train, validation and test over the epochs.
pub(crate) fn losses(epochs: &[EpochRecord]) -> Chart {
    let lines = splits(epochs, |e| [Some(e.train_loss), e.validation_loss, e.test_loss]);
    let y = axis_of(&lines, true, 0.0..=f64::INFINITY);
    Chart {
        heading: "Loss",
        lines,
        x: epoch_axis(epochs),
        y,
        x_name: "epoch",
        suffix: "",
        decimals: 4,
    }
}

/// Accuracies in percent.
pub(crate) fn accuracies(epochs: &[EpochRecord]) -> Chart {
    let lines = splits(epochs, |e| {
        [Some(e.train_accuracy), e.validation_accuracy, e.test_accuracy]
            .map(|fraction| fraction.map(|fraction| 100.0 * fraction))
    });
    let y = axis_of(&lines, false, 0.0..=100.0);
    Chart {
        heading: "Accuracy",
        lines,
        x: epoch_axis(epochs),
        y,
        x_name: "epoch",
        suffix: " %",
        decimals: 2,
    }
}

/// Learning rate over the steps.
pub(crate) fn learning_rate(steps: &[StepRecord]) -> Chart {
    let points: Vec<(f64, f64)> =
        steps.iter().map(|s| (number(s.step), f64::from(s.learning_rate))).collect();
    // Not thinned by means: a step of the schedule stays a step.
    let every = points.len().div_ceil(MAX_POINTS).max(1);
    let last = points.last().copied();
    let mut kept: Vec<(f64, f64)> = points.into_iter().step_by(every).collect();
    kept.extend(last.filter(|last| kept.last() != Some(last)));
    let lines = vec![Line { label: String::new(), color: 3, faint: false, points: kept }];
    let y = axis_of(&lines, true, 0.0..=f64::INFINITY);
    Chart {
        heading: "Learning rate",
        lines,
        x: step_axis(steps),
        y,
        x_name: "step",
        suffix: "",
        decimals: 0,
    }
}

/// Loss of each step, and smoothed.
pub(crate) fn step_losses(steps: &[StepRecord]) -> Chart {
    let points: Vec<(f64, f64)> =
        steps.iter().map(|s| (number(s.step), f64::from(s.loss))).collect();
    let every = thinned(&points, MAX_POINTS);
    let mut lines = vec![Line {
        label: String::new(),
        color: 0,
        faint: points.len() > SMOOTH_POINTS,
        points: every,
    }];
    if points.len() > SMOOTH_POINTS {
        let points = thinned(&points, SMOOTH_POINTS);
        lines.push(Line { label: "mean of neighbors".to_owned(), color: 0, faint: false, points });
    }
    let y = axis_of(&lines, true, 0.0..=f64::INFINITY);
    Chart {
        heading: "Loss of each step",
        lines,
        x: step_axis(steps),
        y,
        x_name: "step",
        suffix: "",
        decimals: 0,
    }
}

/// The curves of the splits that have a value in any epoch.
fn splits(epochs: &[EpochRecord], of: impl Fn(&EpochRecord) -> [Option<f64>; 3]) -> Vec<Line> {
    let line = |(split, label): (usize, &str)| {
        let point = |record: &EpochRecord| Some((f64::from(record.epoch), of(record)[split]?));
        let points = epochs.iter().filter_map(point).collect();
        Line { label: label.to_owned(), color: split, faint: false, points }
    };
    let lines = ["train", "validation", "test"].into_iter().enumerate().map(line);
    lines.filter(|line| !line.points.is_empty()).collect()
}

fn epoch_axis(epochs: &[EpochRecord]) -> Axis {
    let first = epochs.first().map_or(1, |record| record.epoch);
    Axis::counting(first, epochs.last().map_or(1, |record| record.epoch))
}

fn step_axis(steps: &[StepRecord]) -> Axis {
    let at = |record: Option<&StepRecord>| {
        record.map_or(1, |record| u32::try_from(record.step).unwrap_or(u32::MAX))
    };
    Axis::counting(at(steps.first()), at(steps.last()))
}

fn number(step: u64) -> f64 {
    float(usize::try_from(step).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLORS: [[u8; 3]; 3] = [[0, 114, 178], [213, 94, 0], [0, 158, 115]];

    /// A run that looks like one: losses fall, test lags behind train.
    fn run(epochs: u32) -> Vec<EpochRecord> {
        let record = |epoch: u32| {
            let t = f64::from(epoch);
            let wobble = (t * 2.3).sin() * 0.004;
            EpochRecord {
                epoch,
                step: u64::from(epoch) * 469,
                train_loss: 0.31 / t.powf(0.9),
                train_accuracy: 1.0 - 0.09 / t.powf(0.9),
                validation_loss: Some(0.035 + 0.16 / t + wobble),
                validation_accuracy: Some(0.989 - 0.045 / t - wobble * 0.3),
                test_loss: Some(0.028 + 0.15 / t - wobble),
                test_accuracy: Some(0.991 - 0.042 / t + wobble * 0.3),
                learning_rate: 0.001,
                seconds: 4.0,
                images_per_second: 15_000.0,
                loss_scale: None,
                skipped_steps: None,
            }
        };
        (1..=epochs).map(record).collect()
    }

    fn has_color(picture: &RgbImage, color: [u8; 3]) -> bool {
        picture.pixels().any(|pixel| pixel.0 == color)
    }

    #[test]
    fn every_split_is_drawn() {
        for epochs in [1, 2, 12, 200] {
            let picture = draw_curves("mnist-cnn-1", &run(epochs)).expect("it can be drawn");
            assert_eq!(picture.dimensions(), CURVES_SIZE);
            for color in COLORS {
                assert!(has_color(&picture, color), "{epochs} epochs lack {color:?}");
            }
        }
    }

    #[test]
    fn splits_that_the_run_lacks_are_not_drawn() {
        let mut records = run(5);
        for record in &mut records {
            (record.validation_loss, record.validation_accuracy) = (None, None);
        }
        let picture = draw_curves("a", &records).expect("it can be drawn");
        assert!(has_color(&picture, COLORS[2]) && !has_color(&picture, COLORS[1]));
    }

    #[test]
    fn failed_and_empty_runs_can_be_drawn() {
        draw_curves("", &[]).expect("no epochs");
        let mut records = run(6);
        for record in &mut records[2..] {
            (record.train_loss, record.test_loss) = (f64::NAN, Some(f64::INFINITY));
        }
        draw_curves(&"long ".repeat(100), &records).expect("gaps");
        records[0].train_loss = 1e30;
        draw_curves("\u{1f600}", &records[..1]).expect("huge values");
    }

    #[test]
    fn the_file_is_a_png() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("curves.png");
        write_curves(&path, "a", &run(3)).expect("it can be written");
        assert_eq!(image::image_dimensions(&path).expect("a picture"), CURVES_SIZE);
        let missing = folder.path().join("no/curves.png");
        write_curves(&missing, "a", &run(3)).expect_err("the folder is missing");
    }
}
