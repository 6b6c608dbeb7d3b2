//! Accuracy against the strength of an attack, as a PNG.

use image::RgbImage;

use super::super::ReportError;
use super::super::draw::{Axis, Chart, Line, bitmap};
use super::curves::alone;

/// Width and height of the picture in pixels.
const SIZE: (f64, f64) = (720.0, 480.0);

/// Draws accuracies, between 0 and 1, at the epsilons of an attack, in ascending order.
///
/// # Errors
/// When drawing fails, which is a defect of verigrad.
pub fn draw_robustness(title: &str, points: &[(f64, f64)]) -> Result<RgbImage, ReportError> {
    let percent = points.iter().map(|&(epsilon, share)| (epsilon, 100.0 * share)).collect();
    let line = Line { label: String::new(), color: 1, faint: false, points: percent };
    let chart = Chart {
        heading: "Accuracy under attack",
        lines: vec![line],
        x: Axis::around(points.iter().map(|point| point.0), 0.0..=f64::INFINITY),
        // The whole range: how much is left is what one wants to see.
        y: Axis::around([0.0, 100.0].into_iter(), 0.0..=100.0),
        x_name: "largest change of a pixel (of the range from 0 to 1)",
        suffix: " %",
        decimals: 2,
    };
    bitmap(&alone(title, &chart, SIZE), 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_is_drawn() {
        for points in [&[(0.0, 0.99), (0.1, 0.5), (0.3, 0.0)][..], &[(0.1, 0.4)], &[]] {
            let picture = draw_robustness("FGSM", points).expect("it can be drawn");
            assert_eq!(picture.dimensions(), (720, 480));
            let drawn = picture.pixels().any(|pixel| pixel.0 == [213, 94, 0]);
            assert_eq!(drawn, !points.is_empty(), "{points:?}");
        }
    }
}
