//! The loss against the learning rate of a range test, as a PNG.

use image::RgbImage;

use super::super::ReportError;
use super::super::draw::{Axis, Chart, Line, bitmap};
use super::curves::alone;
use crate::train::{RateAdvice, RatePoint};

/// Width and height of the picture in pixels.
const SIZE: (f64, f64) = (840.0, 520.0);
/// Highest loss that is drawn, as a multiple of the highest smoothed one.
const CEILING: f64 = 1.2;

/// Draws the losses of a range test, the smoothed ones in front, with a dot at each rate of its advice.
///
/// # Errors
/// When drawing fails, which is a defect of verigrad.
pub fn draw_rate_range(
    title: &str,
    points: &[RatePoint],
    advice: Option<&RateAdvice>,
) -> Result<RgbImage, ReportError> {
    let curve = |of: fn(&RatePoint) -> f64| {
        points.iter().map(|point| (point.learning_rate.log10(), of(point))).collect::<Vec<_>>()
    };
    let losses = curve(|point| point.loss.unwrap_or(f64::NAN));
    let smoothed = curve(|point| point.smoothed);
    // Single losses that explode would leave no room for the curve: they end at the upper edge.
    let highest = smoothed.iter().map(|point| point.1).filter(|y| y.is_finite());
    let highest = highest.fold(0.0, f64::max) * CEILING;
    let losses = losses.into_iter().map(|(x, y)| (x, if y > highest { highest } else { y }));
    let mut lines = vec![
        Line { label: "loss".to_owned(), color: 0, faint: true, points: losses.collect() },
        Line {
            label: "smoothed loss".to_owned(),
            color: 0,
            faint: false,
            points: smoothed.clone(),
        },
    ];
    if let Some(advice) = advice {
        let named = [("steepest", advice.steepest), ("minimum / 10", advice.minimum_tenth)];
        for (color, (name, rate)) in named.into_iter().enumerate() {
            let x = rate.log10();
            let near = smoothed.iter().filter(|point| point.1.is_finite());
            let near = near.min_by(|a, b| (a.0 - x).abs().total_cmp(&(b.0 - x).abs()));
            let label = format!("{name}: {rate:.2e}");
            let points = near.map(|point| (x, point.1)).into_iter().collect();
            lines.push(Line { label, color: color + 1, faint: false, points });
        }
    }
    let shown = lines.iter().flat_map(|line| line.points.iter().map(|point| point.1));
    let chart = Chart {
        heading: "Loss by learning rate",
        y: Axis::around(shown.collect::<Vec<_>>().into_iter(), 0.0..=f64::INFINITY),
        lines,
        x: Axis::logarithmic(points.iter().map(|point| point.learning_rate)),
        x_name: "learning rate",
        suffix: "",
        decimals: 0,
    };
    bitmap(&alone(title, &chart, SIZE), 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(step: u32, loss: f64) -> RatePoint {
        let learning_rate = 1e-6 * 1.5_f64.powi(i32::try_from(step).expect("small"));
        let loss = loss.is_finite().then_some(loss);
        RatePoint { step: step.into(), learning_rate, loss, smoothed: loss.unwrap_or(f64::NAN) }
    }

    #[test]
    fn curve_and_advice_are_drawn() {
        let points: Vec<RatePoint> = (0..50)
            .map(|step| {
                point(step, if step == 30 { f64::NAN } else { 2.0 - f64::from(step) / 40.0 })
            })
            .collect();
        let advice = RateAdvice { steepest: 1e-4, minimum_tenth: 1e-3, still_falls: false };
        let picture = draw_rate_range("a", &points, Some(&advice)).expect("it can be drawn");
        for color in [[0, 114, 178], [213, 94, 0], [0, 158, 115]] {
            assert!(picture.pixels().any(|pixel| pixel.0 == color), "{color:?}");
        }
        draw_rate_range("", &[], None).expect("nothing");
        draw_rate_range("", &points[30..31], Some(&advice)).expect("no finite loss");
    }
}
