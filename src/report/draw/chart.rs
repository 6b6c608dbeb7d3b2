//! Curves over epochs, steps or anything else, with axes and a legend.

use super::axis::Axis;
use super::drawing::{Anchor, Drawing, Point, fitting, float, text_width};

const LEFT: f64 = 56.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 40.0;
/// Curves with at most this many points get a dot at each.
const MAX_DOTS: usize = 40;
/// Colors that the style sheet has for curves.
pub(crate) const COLORS: usize = 7;
/// Height of a row of the legend, its stroke with the gap behind, and the gap between two entries.
const ROW: f64 = 20.0;
const STROKE: f64 = 18.0;
const STROKE_AND_GAP: f64 = 24.0;
const ENTRY_GAP: f64 = 16.0;

/// One curve.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub label: String,
    /// Number of its color.
    pub color: usize,
    /// Whether it only lies behind the others.
    pub faint: bool,
    pub points: Vec<Point>,
}

/// What a chart shows.
#[derive(Debug, Clone)]
pub(crate) struct Chart {
    pub heading: &'static str,
    pub lines: Vec<Line>,
    pub x: Axis,
    pub y: Axis,
    pub x_name: &'static str,
    /// Unit of the values, with its space.
    pub suffix: &'static str,
    /// Decimals of the last values in the legend and of those that the pointer shows.
    pub decimals: usize,
}

/// An entry of the legend: where it begins, its color and its text.
type Entry = (f64, usize, String);

impl Chart {
    /// Draws it for a page, which writes the heading itself.
    pub fn on_page(&self) -> Drawing {
        self.draw((440.0, 260.0), "")
    }

    /// Draws it with its heading, `size.1` high, and higher where the legend needs several rows.
    pub fn with_heading(&self, size: (f64, f64)) -> Drawing {
        self.draw(size, self.heading)
    }

    /// The legend stands above, beside the heading where there is one, with an entry for each curve
    /// that is not faint.
    fn draw(&self, size: (f64, f64), heading: &str) -> Drawing {
        let legend = self.legend(size.0, heading);
        let extra = float(legend.len().saturating_sub(1)) * ROW;
        let (width, height) = (size.0, size.1 + extra);
        let top = TOP + extra;
        let mut drawing = Drawing::new(width, height);
        let x_at = |x: f64| LEFT + (x - self.x.min) / span(&self.x) * (width - LEFT - RIGHT);
        let y_at =
            |y: f64| height - BOTTOM - (y - self.y.min) / span(&self.y) * (height - top - BOTTOM);
        self.axes(&mut drawing, (x_at, y_at));
        for line in &self.lines {
            self.curve(&mut drawing, line, (x_at, y_at));
        }
        if !heading.is_empty() {
            drawing.text((0.0, 16.0), Anchor::Start, "head", heading);
        }
        for (row, entries) in legend.iter().enumerate() {
            let y = 16.0 + ROW * float(row);
            for (x, color, text) in entries {
                drawing.line((*x, y - 4.5), (x + STROKE, y - 4.5), &format!("l{color}"));
                drawing.text((x + STROKE_AND_GAP, y), Anchor::Start, "", text);
            }
        }
        drawing
    }

    fn axes(
        &self,
        drawing: &mut Drawing,
        (x_at, y_at): (impl Fn(f64) -> f64, impl Fn(f64) -> f64),
    ) {
        let (width, height) = (drawing.width, drawing.height);
        for &tick in &self.y.ticks {
            let y = y_at(tick);
            drawing.line((LEFT, y), (width - RIGHT, y), "grid");
            let label = self.y.label(tick) + self.suffix;
            drawing.text((LEFT - 8.0, y + 4.5), Anchor::End, "muted", &label);
        }
        for &tick in &self.x.ticks {
            let label = self.x.label(tick);
            drawing.text((x_at(tick), height - BOTTOM + 18.0), Anchor::Middle, "muted", &label);
        }
        let middle = (LEFT + width - RIGHT) / 2.0;
        drawing.text((middle, height - 5.0), Anchor::Middle, "muted", self.x_name);
    }

    fn curve(
        &self,
        drawing: &mut Drawing,
        line: &Line,
        (x_at, y_at): (impl Fn(f64) -> f64, impl Fn(f64) -> f64),
    ) {
        let faint = if line.faint { " faint" } else { "" };
        let color = line.color % COLORS;
        // A value that is not finite splits the curve.
        for run in line.points.split(|point| !point.1.is_finite()) {
            let places: Vec<Point> = run.iter().map(|p| (x_at(p.0), y_at(p.1))).collect();
            if places.len() > 1 {
                drawing.curve(&places, &format!("l{color}{faint}"));
            }
            if line.points.len() <= MAX_DOTS && !line.faint {
                for (place, (x, y)) in places.iter().zip(run) {
                    let value = format!("{y:.*}{}", self.decimals, self.suffix);
                    let title =
                        format!("{}: {value} at {} {}", line.label, self.x_name, self.x.value(*x));
                    drawing.dot(*place, &format!("f{color}"), &title);
                }
            }
        }
    }

    /// The legend's entries, in rows that fit into `width`.
    fn legend(&self, width: f64, heading: &str) -> Vec<Vec<Entry>> {
        let end = width - RIGHT;
        let beside = match heading {
            "" => LEFT,
            heading => LEFT.max(text_width(heading, "head") + ENTRY_GAP),
        };
        let mut rows: Vec<Vec<Entry>> = vec![Vec::new()];
        let mut x = beside;
        for line in self.lines.iter().filter(|line| !line.faint && !line.label.is_empty()) {
            let text = self.entry(line, end - LEFT - STROKE_AND_GAP);
            let length = STROKE_AND_GAP + text_width(&text, "");
            if x + length > end && rows.last().is_some_and(|row| !row.is_empty() || x > LEFT) {
                rows.push(Vec::new());
                x = LEFT;
            }
            if let Some(row) = rows.last_mut() {
                row.push((x, line.color % COLORS, text));
            }
            x += length + ENTRY_GAP;
        }
        // One row beside a heading stands at the right.
        if let ([row], false) = (rows.as_mut_slice(), heading.is_empty()) {
            let room = (end + ENTRY_GAP - x).max(0.0);
            row.iter_mut().for_each(|entry| entry.0 += room);
        }
        rows
    }

    /// Name of a curve and its last value; of a long name what fits.
    fn entry(&self, line: &Line, width: f64) -> String {
        let last = line.points.iter().rev().map(|point| point.1).find(|value| value.is_finite());
        let value = match last {
            _ if self.decimals == 0 => String::new(),
            Some(value) => format!(" {value:.*}{}", self.decimals, self.suffix),
            None => " no finite value".to_owned(),
        };
        fitting(&line.label, "", width - text_width(&value, "")) + &value
    }
}

fn span(axis: &Axis) -> f64 {
    let span = axis.max - axis.min;
    if span > 0.0 { span } else { 1.0 }
}

/// An axis for the values of `lines`.
pub(crate) fn axis_of(lines: &[Line], zero: bool, limits: std::ops::RangeInclusive<f64>) -> Axis {
    let values = lines.iter().flat_map(|line| line.points.iter().map(|point| point.1));
    Axis::around(values.chain(zero.then_some(0.0)), limits)
}

/// At most about `n` of the points, each the mean of its neighbors, so that long runs stay small.
pub(crate) fn thinned(points: &[(f64, f64)], n: usize) -> Vec<(f64, f64)> {
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
    use super::super::svg::svg_inline;
    use super::*;

    #[test]
    fn curves_break_at_values_that_are_not_finite() {
        let points = [1.0, 2.0, f64::NAN, 4.0, 5.0].into_iter().enumerate();
        let points = points.map(|(i, y)| (float(i), y)).collect();
        let lines = vec![Line { label: "a<b".to_owned(), color: 7, faint: false, points }];
        let y = axis_of(&lines, true, 0.0..=f64::INFINITY);
        let x = Axis::counting(0, 4);
        let chart = Chart { heading: "", lines, x, y, x_name: "epoch", suffix: "", decimals: 1 };
        let text = svg_inline(&chart.on_page(), "test");
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
