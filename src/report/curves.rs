//! Loss and accuracy curves of one run, as a PNG.

use std::path::Path;

use image::RgbImage;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::imageops::thumbnail;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;
use thiserror::Error;

use super::axis::Axis;
use super::panel::{
    Area, Curve, INK, Panel, SCALE, draw_panel, place_text, register_font, size_of, text_width,
};
use crate::train::{EpochRecord, FileError, write_atomically};

/// Width and height of the picture in pixels.
pub const CURVES_SIZE: (u32, u32) = (1200, 500);

/// Height of the strip with the title, the margins beside it and its font size, in canvas pixels.
const TITLE_STRIP: i32 = 46 * SCALE;
pub(super) const MARGIN: i32 = 24 * SCALE;
const TITLE_FONT: i32 = 21 * SCALE;

/// Colors that color-blind readers can tell apart: M. Okabe and K. Ito, "Color Universal
/// Design", 2008.
const TRAIN: RGBColor = RGBColor(0, 114, 178);
const VALIDATION: RGBColor = RGBColor(230, 159, 0);
const TEST: RGBColor = RGBColor(0, 158, 115);

/// Why the picture cannot be made.
#[derive(Debug, Error)]
pub enum CurvesError {
    /// The picture cannot be drawn: a defect of verigrad.
    #[error("the curves cannot be drawn: {message}; please report this as a bug of verigrad")]
    Draw {
        /// The reason.
        message: String,
    },
    /// The file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
}

impl CurvesError {
    pub(super) fn draw(error: impl std::fmt::Display) -> Self {
        Self::Draw { message: error.to_string() }
    }
}

/// Draws the curves of `epochs` and writes them as a PNG of [`CURVES_SIZE`] pixels. Values that are
/// not finite leave a gap.
///
/// # Errors
/// When the file cannot be written; a former picture then stays as it was.
pub fn write_curves(path: &Path, title: &str, epochs: &[EpochRecord]) -> Result<(), CurvesError> {
    write_png(path, &draw_curves(title, epochs)?)
}

/// Writes a picture as a PNG.
pub(super) fn write_png(path: &Path, picture: &RgbImage) -> Result<(), CurvesError> {
    Ok(write_atomically(path, &encode_png(picture)?)?)
}

/// A picture as the bytes of a PNG file.
///
/// # Errors
/// When the encoder fails, which is a defect of verigrad.
pub fn encode_png(picture: &RgbImage) -> Result<Vec<u8>, CurvesError> {
    let mut png = Vec::new();
    let encoder =
        PngEncoder::new_with_quality(&mut png, CompressionType::Best, FilterType::Adaptive);
    picture.write_with_encoder(encoder).map_err(CurvesError::draw)?;
    Ok(png)
}

/// Draws the curves of `epochs`: loss on the left, accuracy on the right.
///
/// # Errors
/// When drawing fails, which is a defect of verigrad.
pub fn draw_curves(title: &str, epochs: &[EpochRecord]) -> Result<RgbImage, CurvesError> {
    register_font();
    let (width, height) = CURVES_SIZE;
    let mut canvas = RgbImage::new(width * SCALE.unsigned_abs(), height * SCALE.unsigned_abs());
    {
        let size = canvas.dimensions();
        let root = BitMapBackend::with_buffer(&mut canvas, size).into_drawing_area();
        draw_picture(&root, title, epochs)?;
        root.present().map_err(CurvesError::draw)?;
    }
    Ok(thumbnail(&canvas, width, height))
}

fn draw_picture(root: &Area<'_>, title: &str, epochs: &[EpochRecord]) -> Result<(), CurvesError> {
    root.fill(&WHITE).map_err(CurvesError::draw)?;
    let (width, _) = size_of(root)?;
    let body = draw_title(root, title)?;

    let first = epochs.first().map_or(1, |record| record.epoch);
    let last = epochs.last().map_or(1, |record| record.epoch);
    let x = Axis::counting(first, last);
    let (left, right) = body.split_horizontally(width / 2);
    draw_panel(&left, &x, &loss_panel(epochs))?;
    draw_panel(&right, &x, &accuracy_panel(epochs))
}

/// Writes the title at the top of the picture; returns what is below it.
pub(super) fn draw_title<'a>(root: &Area<'a>, title: &str) -> Result<Area<'a>, CurvesError> {
    let (width, _) = size_of(root)?;
    let (strip, body) = root.split_vertically(TITLE_STRIP);
    let title = shortened(&strip, title, width - 2 * MARGIN)?;
    place_text(&strip, &title, TITLE_FONT, INK, (MARGIN, HPos::Left))?;
    Ok(body)
}

/// As much of the title as fits.
fn shortened(strip: &Area<'_>, title: &str, width: i32) -> Result<String, CurvesError> {
    let mut kept = title.to_owned();
    let mut shown = kept.clone();
    while text_width(strip, &shown, TITLE_FONT)? > width && kept.pop().is_some() {
        shown = format!("{}…", kept.trim_end());
    }
    Ok(shown)
}

fn loss_panel(epochs: &[EpochRecord]) -> Panel {
    let curves = curves(epochs, |record| {
        [Some(record.train_loss), record.validation_loss, record.test_loss]
    });
    // How far the loss is from zero is what one wants to see.
    let y = Axis::around(values(&curves).chain([0.0]), 0.0..=f64::INFINITY);
    Panel { heading: "Loss", curves, x_label: "epoch", y, suffix: "", decimals: 4, legend: true }
}

fn accuracy_panel(epochs: &[EpochRecord]) -> Panel {
    let curves = curves(epochs, |record| {
        [Some(record.train_accuracy), record.validation_accuracy, record.test_accuracy]
            .map(|fraction| fraction.map(|fraction| fraction * 100.0))
    });
    let y = Axis::around(values(&curves), 0.0..=100.0);
    Panel {
        heading: "Accuracy",
        curves,
        x_label: "epoch",
        y,
        suffix: " %",
        decimals: 2,
        legend: true,
    }
}

/// The curves of the data splits that have a value in any epoch.
fn curves(epochs: &[EpochRecord], of: impl Fn(&EpochRecord) -> [Option<f64>; 3]) -> Vec<Curve> {
    let splits = [("train", TRAIN), ("validation", VALIDATION), ("test", TEST)];
    let curve = |(split, (label, color)): (usize, (&'static str, RGBColor))| {
        let point = |record: &EpochRecord| Some((f64::from(record.epoch), of(record)[split]?));
        Curve { label, color, points: epochs.iter().filter_map(point).collect() }
    };
    let curves = splits.into_iter().enumerate().map(curve);
    curves.filter(|curve| !curve.points.is_empty()).collect()
}

fn values(curves: &[Curve]) -> impl Iterator<Item = f64> {
    curves.iter().flat_map(|curve| curve.points.iter().map(|point| point.1))
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn has_color(picture: &RgbImage, color: RGBColor) -> bool {
        picture.pixels().any(|pixel| pixel.0 == [color.0, color.1, color.2])
    }

    #[test]
    fn every_split_is_drawn() {
        for epochs in [1, 2, 12, 200] {
            let picture = draw_curves("mnist-cnn-1", &run(epochs)).expect("it can be drawn");
            assert_eq!(picture.dimensions(), CURVES_SIZE);
            for color in [TRAIN, VALIDATION, TEST] {
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
        assert!(has_color(&picture, TEST) && !has_color(&picture, VALIDATION));
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
