//! One chart: the curves of some runs, with axes.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Chart, Dataset, GraphType, Widget as _};

use super::cells::{Look, write};
use super::curves::{Curve, Point, Quantity};
use super::run::Run;
use crate::report::format::{grouped, loss};

/// Points of a curve for each column at most: a cell in braille has two columns of dots.
const POINTS: usize = 2;

/// A run, and how its curves are drawn.
pub(super) struct Drawn<'a> {
    pub run: &'a Run,
    /// Color of curves on data that it does not train on.
    pub bright: Color,
    /// Color of curves on training data.
    pub dark: Color,
    /// What its curves are drawn with where there are no colors.
    pub letter: Option<char>,
    /// Whether there is no other one.
    pub is_alone: bool,
}

/// A curve, and how it is drawn.
struct Styled {
    curve: Curve,
    color: Color,
    marker: Marker,
}

/// Draws a chart into an area of at least a few rows and columns.
pub(super) fn draw(
    quantity: Quantity,
    runs: &[Drawn<'_>],
    (look, log_loss): (Look, bool),
    area: Rect,
    buffer: &mut Buffer,
) {
    let curves = styled(quantity, runs, look, usize::from(area.width) * POINTS);
    let heading = Rect { height: 1, ..area };
    write(&[title(quantity, &curves, runs, look)], heading, buffer);
    let area = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let is_log = log_loss && quantity == Quantity::Loss;
    let scaled: Vec<Vec<Point>> = curves.iter().map(|styled| scaled(styled, is_log)).collect();
    let Some((x, y)) = bounds(scaled.iter().flatten()) else {
        let none = Line::styled("no epoch has ended yet", Style::new().add_modifier(Modifier::DIM));
        write(&[none], area, buffer);
        return;
    };
    let datasets = curves.iter().zip(&scaled).map(|(styled, points)| {
        Dataset::default()
            .marker(styled.marker)
            .graph_type(GraphType::Line)
            .style(Style::new().fg(styled.color))
            .data(points)
    });
    let value = |y: f64| shown(quantity, if is_log { 10f64.powf(y) } else { y });
    let dim = Style::new().add_modifier(Modifier::DIM);
    let y_labels = [y[0], f64::midpoint(y[0], y[1]), y[1]].map(|y| Line::styled(value(y), dim));
    let x_labels = x.map(|x| Line::styled(format!("{x:.0}"), dim));
    Chart::new(datasets.collect())
        .x_axis(Axis::default().bounds(x).labels(x_labels).style(dim))
        .y_axis(Axis::default().bounds(y).labels(y_labels).style(dim))
        .legend_position(None)
        .render(area, buffer);
}

/// The curves of all runs, from the back to the front.
fn styled(quantity: Quantity, runs: &[Drawn<'_>], look: Look, width: usize) -> Vec<Styled> {
    let mut all = Vec::new();
    for drawn in runs {
        let mut curves = quantity.curves(drawn.run, width);
        if drawn.letter.is_some() {
            // Of several runs in letters only the curve that counts most.
            curves.drain(..curves.len().saturating_sub(1));
        }
        for curve in curves {
            let color = if curve.of == "train" { drawn.dark } else { drawn.bright };
            let marker = match (drawn.letter, look.colors, curve.of) {
                (Some(letter), _, _) => Marker::Custom(letter),
                (None, false, "train") => Marker::Dot,
                (_, _, "validation") => Marker::Custom('+'),
                _ => Marker::Braille,
            };
            all.push(Styled { curve, color, marker });
        }
    }
    all
}

/// What the chart shows, and the last values where they are of one run.
fn title(quantity: Quantity, curves: &[Styled], runs: &[Drawn<'_>], look: Look) -> Line<'static> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let mut line = Line::from(Span::styled(quantity.name(), bold));
    let is_alone = runs.first().is_some_and(|run| run.is_alone);
    for Styled { curve, color, marker } in curves.iter().filter(|_| is_alone) {
        let Some((_, last)) = curve.points.last() else { continue };
        let sign = match marker {
            Marker::Dot => "\u{2022} ",
            Marker::Custom(_) => "+ ",
            _ if look.colors || curve.of.is_empty() => "",
            _ => "\u{2812} ",
        };
        let space = if curve.of.is_empty() { "" } else { " " };
        let text = format!("  {sign}{}{space}{}", curve.of, shown(quantity, *last));
        line.push_span(Span::styled(text, Style::new().fg(*color)));
    }
    line
}

/// The points as they are drawn. A loss of zero has no logarithm.
fn scaled(styled: &Styled, is_log: bool) -> Vec<Point> {
    let points = styled.curve.points.iter().copied();
    if !is_log {
        return points.collect();
    }
    points.filter(|&(_, y)| y > 0.0).map(|(x, y)| (x, y.log10())).collect()
}

/// The ranges of x and y; none without points. A range that is a single value gets some room.
fn bounds<'a>(points: impl Iterator<Item = &'a Point>) -> Option<([f64; 2], [f64; 2])> {
    let mut bounds: Option<([f64; 2], [f64; 2])> = None;
    for &(x, y) in points {
        let (xs, ys) = bounds.get_or_insert(([x, x], [y, y]));
        *xs = [xs[0].min(x), xs[1].max(x)];
        *ys = [ys[0].min(y), ys[1].max(y)];
    }
    let (x, y) = bounds?;
    let is_wide = |range: [f64; 2]| range[1] > range[0];
    let room = (y[0].abs() * 0.1).max(f64::MIN_POSITIVE);
    let x = if is_wide(x) { x } else { [x[0], x[0] + 1.0] };
    Some((x, if is_wide(y) { y } else { [y[0] - room, y[0] + room] }))
}

/// A value in few characters.
pub(super) fn shown(quantity: Quantity, value: f64) -> String {
    match quantity {
        Quantity::Loss => loss(value),
        Quantity::Accuracy => format!("{:.2} %", 100.0 * value),
        Quantity::LearningRate if value == 0.0 => "0".to_owned(),
        Quantity::LearningRate => format!("{value:.2e}"),
        Quantity::Throughput => format!("{value:.0}").parse().map_or_else(|_| loss(value), grouped),
    }
}
