//! Curves over epochs or steps, as vector pictures.

use super::axis::Axis;
use super::svg::{Anchor, Svg, float};

const SIZE: (f64, f64) = (440.0, 260.0);
const LEFT: f64 = 56.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 40.0;
/// Curves with at most this many points get a dot at each.
const MAX_DOTS: usize = 40;
/// Colors that the style sheet has for curves.
pub(super) const COLORS: usize = 6;

/// One curve.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub label: String,
    /// Number of its color.
    pub color: usize,
    /// Whether it only lies behind the others.
    pub faint: bool,
    pub points: Vec<(f64, f64)>,
}

/// What a chart shows.
#[derive(Debug, Clone)]
pub(super) struct Chart {
    pub lines: Vec<Line>,
    pub x: Axis,
    pub y: Axis,
    pub x_name: &'static str,
    /// Unit of the values, with its space.
    pub suffix: &'static str,
    /// Decimals of the values that the pointer shows.
    pub decimals: usize,
}

impl Chart {
    /// Draws it. The legend stands above, one entry for each curve that is not faint.
    pub fn draw(&self) -> Svg {
        let legend_rows = self.legend_rows();
        let extra = float(legend_rows.len().saturating_sub(1)) * 20.0;
        let (width, height) = (SIZE.0, SIZE.1 + extra);
        let top = TOP + extra;
        let mut svg = Svg::new(width, height);
        let x_at = |x: f64| LEFT + (x - self.x.min) / span(&self.x) * (width - LEFT - RIGHT);
        let y_at =
            |y: f64| height - BOTTOM - (y - self.y.min) / span(&self.y) * (height - top - BOTTOM);
        self.axes(&mut svg, (x_at, y_at), (width, height));
        for line in &self.lines {
            let faint = if line.faint { " faint" } else { "" };
            let color = line.color % COLORS;
            // A value that is not finite splits the curve.
            for run in line.points.split(|point| !point.1.is_finite()) {
                let places: Vec<(f64, f64)> = run.iter().map(|p| (x_at(p.0), y_at(p.1))).collect();
                if places.len() > 1 {
                    svg.curve(&places, &format!("l{color}{faint}"));
                }
                if line.points.len() <= MAX_DOTS && !line.faint {
                    for (place, (x, y)) in places.iter().zip(run) {
                        let title = format!(
                            "{}: {y:.*}{} at {} {x}",
                            line.label, self.decimals, self.suffix, self.x_name
                        );
                        svg.dot(*place, &format!("f{color}"), &title);
                    }
                }
            }
        }
        for (row, entries) in legend_rows.iter().enumerate() {
            let y = 16.0 + 20.0 * float(row);
            for &(x, line) in entries {
                let color = line.color % COLORS;
                svg.line((x, y - 4.5), (x + 18.0, y - 4.5), &format!("l{color}"));
                svg.text((x + 24.0, y), Anchor::Start, "", &self.entry(line));
            }
        }
        svg
    }

    fn axes(
        &self,
        svg: &mut Svg,
        (x_at, y_at): (impl Fn(f64) -> f64, impl Fn(f64) -> f64),
        (width, height): (f64, f64),
    ) {
        for &tick in &self.y.ticks {
            let y = y_at(tick);
            svg.line((LEFT, y), (width - RIGHT, y), "grid");
            let label = self.y.label(tick) + self.suffix;
            svg.text((LEFT - 8.0, y + 4.5), Anchor::End, "muted", &label);
        }
        for &tick in &self.x.ticks {
            let label = self.x.label(tick);
            svg.text((x_at(tick), height - BOTTOM + 18.0), Anchor::Middle, "muted", &label);
        }
        let middle = (LEFT + width - RIGHT) / 2.0;
        svg.text((middle, height - 5.0), Anchor::Middle, "muted", self.x_name);
    }

    /// Name of a curve and its last value.
    fn entry(&self, line: &Line) -> String {
        let last = line.points.iter().rev().map(|point| point.1).find(|value| value.is_finite());
        match last {
            Some(value) if self.decimals > 0 => {
                format!("{} {value:.*}{}", line.label, self.decimals, self.suffix)
            }
            _ => line.label.clone(),
        }
    }

    /// Positions of the legend's entries, in rows that fit.
    fn legend_rows(&self) -> Vec<Vec<(f64, &Line)>> {
        /// Width of an average character of a legend.
        const CHARACTER: f64 = 7.2;
        let mut rows: Vec<Vec<(f64, &Line)>> = vec![Vec::new()];
        let mut x = LEFT;
        for line in self.lines.iter().filter(|line| !line.faint && !line.label.is_empty()) {
            let width = 24.0 + CHARACTER * float(self.entry(line).chars().count());
            if x + width > SIZE.0 && x > LEFT {
                rows.push(Vec::new());
                x = LEFT;
            }
            if let Some(row) = rows.last_mut() {
                row.push((x, line));
            }
            x += width + 16.0;
        }
        rows
    }
}

fn span(axis: &Axis) -> f64 {
    let span = axis.max - axis.min;
    if span > 0.0 { span } else { 1.0 }
}

/// An axis for the values of `lines`.
pub(super) fn axis_of(lines: &[Line], zero: bool, limits: std::ops::RangeInclusive<f64>) -> Axis {
    let values = lines.iter().flat_map(|line| line.points.iter().map(|point| point.1));
    Axis::around(values.chain(zero.then_some(0.0)), limits)
}

/// At most about `n` of the points, each the mean of its neighbors, so that long runs stay small.
pub(super) fn thinned(points: &[(f64, f64)], n: usize) -> Vec<(f64, f64)> {
    let size = points.len().div_ceil(n.max(1)).max(1);
    let mean = |chunk: &[(f64, f64)]| {
        let count = float(chunk.len());
        let sum = chunk.iter().fold((0.0, 0.0), |sum, p| (sum.0 + p.0, sum.1 + p.1));
        (sum.0 / count, sum.1 / count)
    };
    points.chunks(size).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_break_at_values_that_are_not_finite() {
        let points = [1.0, 2.0, f64::NAN, 4.0, 5.0].into_iter().enumerate();
        let points = points.map(|(i, y)| (float(i), y)).collect();
        let lines = vec![Line { label: "a<b".to_owned(), color: 7, faint: false, points }];
        let y = axis_of(&lines, true, 0.0..=f64::INFINITY);
        let x = Axis::counting(0, 4);
        let chart = Chart { lines, x, y, x_name: "epoch", suffix: "", decimals: 1 };
        let text = chart.draw().inline("test");
        assert_eq!(text.matches("<path d=\"M").count(), text.matches("class=\"grid\"").count() + 3);
        assert!(text.contains("a&lt;b 5.0") && !text.contains("NaN"), "{text}");
    }

    #[test]
    fn thinning_keeps_the_mean() {
        let points: Vec<(f64, f64)> = (0..1000).map(|i| (float(i), float(i % 10))).collect();
        let thin = thinned(&points, 100);
        assert_eq!(thin.len(), 100);
        assert!(thin.iter().all(|point| (point.1 - 4.5).abs() < 1e-9));
        assert_eq!(thinned(&points[..3], 100), &points[..3]);
    }
}
