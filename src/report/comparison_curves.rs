//! Loss and accuracy curves of several runs in one picture, as a PNG.

use std::path::Path;

use image::RgbImage;
use image::imageops::thumbnail;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::CurvesError;
use super::axis::Axis;
use super::curves::{MARGIN, draw_title, write_png};
use super::panel::{
    Area, Curve, INK, LEGEND_GAP, LEGEND_STROKE, LINE_WIDTH, Panel, SCALE, TEXT_FONT, draw_panel,
    place_text, register_font, size_of, text_width,
};
use crate::train::EpochRecord;

/// Width of the picture, and its height without the legend, in pixels.
const SIZE: (u32, u32) = (1200, 500);
/// Height of one line of the legend, in pixels.
const LEGEND_LINE: u32 = 26;

/// Colors that color-blind readers can tell apart (Okabe and Ito, 2008), the pale yellow left
/// out. They repeat beyond seven runs.
const COLORS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(213, 94, 0),
    RGBColor(0, 0, 0),
];

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
) -> Result<(), CurvesError> {
    write_png(path, &draw_comparison_curves(title, runs)?)
}

/// Draws the curves of runs: test loss on the left, test accuracy on the right.
///
/// # Errors
/// When drawing fails, which is a defect of verigrad.
pub fn draw_comparison_curves(title: &str, runs: &[RunCurves]) -> Result<RgbImage, CurvesError> {
    register_font();
    let rows = u32::try_from(runs.len().div_ceil(2)).map_err(CurvesError::draw)?;
    let (width, height) = (SIZE.0, SIZE.1 + LEGEND_LINE * rows);
    let scale = SCALE.unsigned_abs();
    let mut canvas = RgbImage::new(width * scale, height * scale);
    {
        let size = canvas.dimensions();
        let root = BitMapBackend::with_buffer(&mut canvas, size).into_drawing_area();
        root.fill(&WHITE).map_err(CurvesError::draw)?;
        let body = draw_title(&root, title)?;
        let legend = i32::try_from(LEGEND_LINE * rows).map_err(CurvesError::draw)? * SCALE;
        let (legend, body) = body.split_vertically(legend);
        draw_names(&legend, runs)?;
        draw_panels(&body, runs)?;
        root.present().map_err(CurvesError::draw)?;
    }
    Ok(thumbnail(&canvas, width, height))
}

fn color_of(run: usize) -> RGBColor {
    COLORS[run % COLORS.len()]
}

/// The names of the runs beside their colors, two in a line.
fn draw_names(area: &Area<'_>, runs: &[RunCurves]) -> Result<(), CurvesError> {
    let (width, _) = size_of(area)?;
    let half = width / 2;
    for (cell, (i, run)) in
        area.split_evenly((runs.len().div_ceil(2).max(1), 2)).iter().zip(runs.iter().enumerate())
    {
        let (_, height) = size_of(cell)?;
        let stroke = [(MARGIN, height / 2), (MARGIN + LEGEND_STROKE, height / 2)];
        cell.draw(&PathElement::new(stroke, color_of(i).stroke_width(LINE_WIDTH)))
            .map_err(CurvesError::draw)?;
        let start = MARGIN + LEGEND_STROKE + LEGEND_GAP;
        let mut name = run.name.clone();
        while text_width(cell, &name, TEXT_FONT)? > half - start - MARGIN && name.pop().is_some() {}
        place_text(cell, &name, TEXT_FONT, INK, (start, HPos::Left))?;
    }
    Ok(())
}

fn draw_panels(body: &Area<'_>, runs: &[RunCurves]) -> Result<(), CurvesError> {
    let (width, _) = size_of(body)?;
    let epochs = || runs.iter().flat_map(|run| &run.epochs).map(|record| record.epoch);
    let x = Axis::counting(epochs().min().unwrap_or(1), epochs().max().unwrap_or(1));
    let (left, right) = body.split_horizontally(width / 2);

    let losses = curves(runs, |record| record.test_loss);
    let y = Axis::around(values(&losses).chain([0.0]), 0.0..=f64::INFINITY);
    let panel = Panel {
        heading: "Test loss",
        curves: losses,
        x_label: "epoch",
        y,
        suffix: "",
        decimals: 4,
        legend: false,
    };
    draw_panel(&left, &x, &panel)?;

    let accuracies = curves(runs, |record| record.test_accuracy.map(|part| 100.0 * part));
    let y = Axis::around(values(&accuracies), 0.0..=100.0);
    let panel = Panel {
        heading: "Test accuracy",
        curves: accuracies,
        x_label: "epoch",
        y,
        suffix: " %",
        decimals: 2,
        legend: false,
    };
    draw_panel(&right, &x, &panel)
}

fn curves(runs: &[RunCurves], of: impl Fn(&EpochRecord) -> Option<f64>) -> Vec<Curve> {
    let curve = |(i, run): (usize, &RunCurves)| {
        let point = |record: &EpochRecord| Some((f64::from(record.epoch), of(record)?));
        let points = run.epochs.iter().filter_map(point).collect();
        // The names of the runs have a legend of their own.
        Curve { label: "", color: color_of(i), points }
    };
    runs.iter().enumerate().map(curve).collect()
}

fn values(curves: &[Curve]) -> impl Iterator<Item = f64> {
    curves.iter().flat_map(|curve| curve.points.iter().map(|point| point.1))
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
        for n in [1, 2, 3, 7, 9] {
            let runs: Vec<RunCurves> = (0..n)
                .map(|i| run(&format!("run {i} with a name {}", "long ".repeat(30)), i + 1))
                .collect();
            let picture = draw_comparison_curves("compare", &runs).expect("it can be drawn");
            for (i, _) in runs.iter().enumerate().take(COLORS.len()) {
                let RGBColor(r, g, b) = color_of(i);
                assert!(picture.pixels().any(|pixel| pixel.0 == [r, g, b]), "{n} runs lack {i}");
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
