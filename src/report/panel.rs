//! One chart of a picture: heading, legend with the last values, axes and curves.
//!
//! Lengths are in pixels of the canvas, which is larger than the picture: the drawing library
//! rounds to whole pixels, which would show in thin slanted lines.

use std::ops::Range;
use std::sync::Once;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, ValueFormatter};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::CurvesError;
use super::axis::Axis;

/// The canvas is this many times larger than the picture.
pub(super) const SCALE: i32 = 4;

/// A part of the canvas.
pub(super) type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// DejaVu Sans with the characters that charts need; its license lies beside it.
const FONT: &[u8] = include_bytes!("../../assets/fonts/DejaVuSans-subset.ttf");
pub(super) const FONT_FAMILY: &str = "verigrad-sans";

/// Color of titles and headings.
pub(super) const INK: RGBColor = RGBColor(38, 42, 48);
const MUTED: RGBColor = RGBColor(96, 103, 112);
const GRID: RGBColor = RGBColor(228, 231, 235);

const HEADING_FONT: i32 = 18 * SCALE;
pub(super) const TEXT_FONT: i32 = 15 * SCALE;

/// Height of the strip with heading and legend.
const HEADING_STRIP: i32 = 38 * SCALE;
const MARGIN: i32 = 24 * SCALE;
const Y_LABELS: i32 = 50 * SCALE;
const X_LABELS: i32 = 46 * SCALE;
/// Length of a curve's stroke in the legend.
pub(super) const LEGEND_STROKE: i32 = 18 * SCALE;
pub(super) const LEGEND_GAP: i32 = 6 * SCALE;
const TICK: i32 = 4 * SCALE;
pub(super) const LINE_WIDTH: u32 = 2 * SCALE.unsigned_abs();
const GRID_WIDTH: u32 = SCALE.unsigned_abs();
const DOT_RADIUS: i32 = 3 * SCALE;
/// Runs with at most this many epochs get a dot at each.
const MAX_DOTS: usize = 40;

/// One curve: a value after each epoch.
pub(super) struct Curve {
    pub label: &'static str,
    pub color: RGBColor,
    pub points: Vec<(f64, f64)>,
}

/// What a panel shows.
pub(super) struct Panel {
    pub heading: &'static str,
    pub curves: Vec<Curve>,
    /// What the horizontal axis counts.
    pub x_label: &'static str,
    pub y: Axis,
    /// Unit of the values, with its space.
    pub suffix: &'static str,
    /// Decimals of the last values in the legend.
    pub decimals: usize,
    /// Whether there is a legend beside the heading.
    pub legend: bool,
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        RangedCoordf64::from(self.range()).map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.min..self.max
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        self.label(*value)
    }
}

/// Draws a panel over the whole of `area`.
pub(super) fn draw_panel(area: &Area<'_>, x: &Axis, panel: &Panel) -> Result<(), CurvesError> {
    let (strip, body) = area.split_vertically(HEADING_STRIP);
    place_text(&strip, panel.heading, HEADING_FONT, INK, (MARGIN, HPos::Left))?;
    if panel.legend {
        draw_legend(&strip, panel)?;
    }

    let mut chart = ChartBuilder::on(&body)
        .margin_left(MARGIN)
        .margin_right(MARGIN)
        .margin_bottom(MARGIN / 2)
        .margin_top(MARGIN / 4)
        .x_label_area_size(X_LABELS)
        .y_label_area_size(Y_LABELS)
        .build_cartesian_2d(x.clone(), panel.y.clone())
        .map_err(CurvesError::draw)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(GRID.stroke_width(GRID_WIDTH))
        .light_line_style(TRANSPARENT)
        .axis_style(GRID.stroke_width(GRID_WIDTH))
        .label_style((FONT_FAMILY, TEXT_FONT).into_font().color(&MUTED))
        .y_label_formatter(&|tick| panel.y.label(*tick) + panel.suffix)
        .set_all_tick_mark_size(TICK)
        // The library centers the line's height, not the digits.
        .y_label_offset(SCALE * 3 / 2)
        .x_desc(panel.x_label)
        .draw()
        .map_err(CurvesError::draw)?;

    for curve in &panel.curves {
        // A value that is not finite splits the curve.
        for run in curve.points.split(|point| !point.1.is_finite()) {
            let style = curve.color.stroke_width(LINE_WIDTH);
            chart.draw_series(LineSeries::new(run.to_vec(), style)).map_err(CurvesError::draw)?;
            if curve.points.len() <= MAX_DOTS {
                let dot = |&at| Circle::new(at, DOT_RADIUS, curve.color.filled());
                chart.draw_series(run.iter().map(dot)).map_err(CurvesError::draw)?;
            }
        }
    }
    Ok(())
}

/// Draws the curves' names and last values, flush right, in their order.
fn draw_legend(strip: &Area<'_>, panel: &Panel) -> Result<(), CurvesError> {
    let (width, height) = size_of(strip)?;
    let mut right = width - MARGIN;
    for curve in panel.curves.iter().rev() {
        let last = curve.points.iter().rev().map(|point| point.1).find(|value| value.is_finite());
        let last = last.map_or("no finite value".to_owned(), |value| {
            format!("{value:.*}{}", panel.decimals, panel.suffix)
        });
        let text = format!("{} {last}", curve.label);
        place_text(strip, &text, TEXT_FONT, INK, (right, HPos::Right))?;
        let stroke_end = right - text_width(strip, &text, TEXT_FONT)? - LEGEND_GAP;
        let stroke = [(stroke_end - LEGEND_STROKE, height / 2), (stroke_end, height / 2)];
        strip
            .draw(&PathElement::new(stroke, curve.color.stroke_width(LINE_WIDTH)))
            .map_err(CurvesError::draw)?;
        right = stroke_end - LEGEND_STROKE - 3 * LEGEND_GAP;
    }
    Ok(())
}

/// Makes the font known to the drawing library.
pub(super) fn register_font() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // Should it fail, drawing the first text reports it.
        let _ = plotters::style::register_font(FONT_FAMILY, FontStyle::Normal, FONT);
    });
}

/// Writes one line of text, vertically centered in `strip`, from or up to a horizontal position.
pub(super) fn place_text(
    strip: &Area<'_>,
    text: &str,
    font_size: i32,
    color: RGBColor,
    (x, anchor): (i32, HPos),
) -> Result<(), CurvesError> {
    let (_, height) = size_of(strip)?;
    let style = TextStyle::from((FONT_FAMILY, font_size).into_font())
        .color(&color)
        .pos(Pos::new(anchor, VPos::Center));
    strip.draw_text(text, &style, (x, height / 2)).map_err(CurvesError::draw)
}

/// Width of a line of text.
pub(super) fn text_width(area: &Area<'_>, text: &str, font_size: i32) -> Result<i32, CurvesError> {
    let style = TextStyle::from((FONT_FAMILY, font_size).into_font());
    let (width, _) = area.estimate_text_size(text, &style).map_err(CurvesError::draw)?;
    i32::try_from(width).map_err(CurvesError::draw)
}

/// Width and height of `area`.
pub(super) fn size_of(area: &Area<'_>) -> Result<(i32, i32), CurvesError> {
    let (width, height) = area.dim_in_pixel();
    Ok((
        i32::try_from(width).map_err(CurvesError::draw)?,
        i32::try_from(height).map_err(CurvesError::draw)?,
    ))
}
