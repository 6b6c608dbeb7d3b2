//! Test loss and test accuracy of several runs, for their page and as a PNG.

use std::path::Path;

use image::RgbImage;

use super::super::ReportError;
use super::super::draw::{Axis, COLORS, Chart, Line, axis_of, bitmap, encode_png};
use super::super::pictures::beside;
use crate::train::{EpochRecord, write_atomically};

/// The epochs of one run, under the name that the legend gives it.
#[derive(Debug, Clone, PartialEq)]
pub struct RunCurves {
    /// Name of the run.
    pub name: String,
    /// Its epochs.
    pub epochs: Vec<EpochRecord>,
}

/// Draws the test loss and the test accuracy of runs, and writes them as a PNG. Values that are not
/// finite leave a gap.
///
/// # Errors
/// When the file cannot be written; a former picture then stays as it was.
pub fn write_comparison_curves(
    path: &Path,
    title: &str,
    runs: &[RunCurves],
) -> Result<(), ReportError> {
    Ok(write_atomically(path, &encode_png(&draw_comparison_curves(title, runs)?)?)?)
}

/// Draws the curves of runs: test loss on the left, test accuracy on the right.
///
/// # Errors
/// When drawing fails, which is a defect of verigrad.
pub fn draw_comparison_curves(title: &str, runs: &[RunCurves]) -> Result<RgbImage, ReportError> {
    bitmap(&beside(title, &losses(runs), &accuracies(runs)), 1.0)
}

/// Test losses, one curve for each run.
pub(super) fn losses(runs: &[RunCurves]) -> Chart {
    let lines = lines(runs, |record| record.test_loss);
    let y = axis_of(&lines, true, 0.0..=f64::INFINITY);
    let x = epoch_axis(runs);
    Chart { heading: "Test loss", lines, x, y, x_name: "epoch", suffix: "", decimals: 4 }
}

/// Test accuracies in percent, one curve for each run.
pub(super) fn accuracies(runs: &[RunCurves]) -> Chart {
    let lines = lines(runs, |record| Some(100.0 * record.test_accuracy?));
    let y = axis_of(&lines, false, 0.0..=100.0);
    let x = epoch_axis(runs);
    Chart { heading: "Test accuracy", lines, x, y, x_name: "epoch", suffix: " %", decimals: 2 }
}

/// Colors repeat beyond as many runs as there are colors.
fn lines(runs: &[RunCurves], of: impl Fn(&EpochRecord) -> Option<f64>) -> Vec<Line> {
    let line = |(i, run): (usize, &RunCurves)| {
        let point = |record: &EpochRecord| Some((f64::from(record.epoch), of(record)?));
        let points = run.epochs.iter().filter_map(point).collect();
        Line { label: run.name.clone(), color: i % COLORS, faint: false, points }
    };
    runs.iter().enumerate().map(line).collect()
}

fn epoch_axis(runs: &[RunCurves]) -> Axis {
    let epochs = || runs.iter().flat_map(|run| &run.epochs).map(|record| record.epoch);
    Axis::counting(epochs().min().unwrap_or(1), epochs().max().unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str, last: u32) -> RunCurves {
        let record = |epoch: u32| EpochRecord {
            epoch,
            step: u64::from(epoch) * 10,
            train_loss: 1.0,
            train_accuracy: 0.5,
            validation_loss: None,
            validation_accuracy: None,
            test_loss: Some(1.0 / f64::from(epoch)),
            test_accuracy: Some(1.0 - 0.3 / f64::from(epoch)),
            learning_rate: 0.1,
            seconds: 1.0,
            images_per_second: 10.0,
            loss_scale: None,
            skipped_steps: None,
        };
        RunCurves { name: name.to_owned(), epochs: (1..=last).map(record).collect() }
    }

    #[test]
    fn every_run_has_its_color() {
        let colors = [
            [0, 114, 178],
            [213, 94, 0],
            [0, 158, 115],
            [204, 121, 167],
            [184, 134, 11],
            [86, 180, 233],
            [31, 35, 40],
        ];
        for n in [1, 2, 3, 7, 9] {
            let runs: Vec<RunCurves> = (0..n)
                .map(|i| run(&format!("run {i} with a name {}", "long ".repeat(30)), i + 1))
                .collect();
            let picture = draw_comparison_curves("compare", &runs).expect("it can be drawn");
            for (i, color) in colors.iter().enumerate().take(n as usize) {
                assert!(picture.pixels().any(|pixel| pixel.0 == *color), "{n} runs lack {i}");
            }
        }
    }

    #[test]
    fn nothing_and_gaps_can_be_drawn() {
        draw_comparison_curves("", &[]).expect("no runs");
        let mut gaps = run("gaps", 4);
        gaps.epochs[1].test_loss = Some(f64::NAN);
        gaps.epochs[2].test_accuracy = None;
        draw_comparison_curves("a", &[gaps, run("none", 0)]).expect("gaps");
    }
}
