//! Accuracy against the strength of an attack, as a PNG.

use image::RgbImage;
use image::imageops::thumbnail;
use plotters::prelude::*;

use super::CurvesError;
use super::axis::Axis;
use super::curves::draw_title;
use super::panel::{Curve, Panel, SCALE, draw_panel, register_font};

/// Width and height of the picture in pixels.
const SIZE: (u32, u32) = (720, 480);
/// Vermilion of Okabe and Ito's colors.
const COLOR: RGBColor = RGBColor(213, 94, 0);

/// Draws accuracies, between 0 and 1, at the epsilons of an attack, in ascending order.
///
/// # Errors
/// When drawing fails, which is a defect of verigrad.
pub fn draw_robustness(title: &str, points: &[(f64, f64)]) -> Result<RgbImage, CurvesError> {
    register_font();
    let scale = SCALE.unsigned_abs();
    let mut canvas = RgbImage::new(SIZE.0 * scale, SIZE.1 * scale);
    {
        let size = canvas.dimensions();
        let root = BitMapBackend::with_buffer(&mut canvas, size).into_drawing_area();
        root.fill(&WHITE).map_err(CurvesError::draw)?;
        let body = draw_title(&root, title)?;
        let percent = points.iter().map(|&(epsilon, share)| (epsilon, 100.0 * share)).collect();
        let curves = vec![Curve { label: "", color: COLOR, points: percent }];
        let x = Axis::around(points.iter().map(|point| point.0), 0.0..=f64::INFINITY);
        // The whole range: how much is left is what one wants to see.
        let y = Axis::around([0.0, 100.0].into_iter(), 0.0..=100.0);
        let panel = Panel {
            heading: "Accuracy under attack",
            curves,
            x_label: "largest change of a pixel (of the range from 0 to 1)",
            y,
            suffix: " %",
            decimals: 2,
            legend: false,
        };
        draw_panel(&body, &x, &panel)?;
        root.present().map_err(CurvesError::draw)?;
    }
    Ok(thumbnail(&canvas, SIZE.0, SIZE.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_is_drawn() {
        for points in [&[(0.0, 0.99), (0.1, 0.5), (0.3, 0.0)][..], &[(0.1, 0.4)], &[]] {
            let picture = draw_robustness("FGSM", points).expect("it can be drawn");
            assert_eq!(picture.dimensions(), SIZE);
            let RGBColor(r, g, b) = COLOR;
            let drawn = picture.pixels().any(|pixel| pixel.0 == [r, g, b]);
            assert_eq!(drawn, !points.is_empty(), "{points:?}");
        }
    }
}
