//! Drawings as SVG: shapes with the classes of the page's style sheet, so that one picture serves
//! light and dark pages, print, and a file of its own.

use std::fmt::Write as _;

use super::drawing::{Anchor, Drawing, Point, Shape, fitting_browser};
use super::escape::escape;
use super::png::{encode_png, png_uri};
use super::style::PICTURE_CSS;

/// The picture as part of a page.
pub(crate) fn svg_inline(drawing: &Drawing, label: &str) -> String {
    format!(
        "<svg class=\"picture\" viewBox=\"0 0 {:.0} {:.0}\" role=\"img\" aria-label=\"{}\">\n\
         {}</svg>\n",
        drawing.width,
        drawing.height,
        escape(label),
        body(drawing)
    )
}

/// The picture as a file of its own, with its ground: light or dark as the reader's screen is.
pub(crate) fn svg_file(drawing: &Drawing, label: &str) -> String {
    let (width, height) = (drawing.width, drawing.height);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"picture\" viewBox=\"0 0 {width:.0} \
         {height:.0}\" width=\"{:.0}\" height=\"{:.0}\">\n<title>{}</title>\n<style>\n\
         {PICTURE_CSS}svg {{ background: var(--ground) }}\n</style>\n{}</svg>\n",
        width * 1.5,
        height * 1.5,
        escape(label),
        body(drawing)
    )
}

fn body(drawing: &Drawing) -> String {
    let mut body = String::new();
    for shape in &drawing.shapes {
        // Text can be written into a string without fail.
        let _ = match shape {
            Shape::Text { at, anchor, class, text, room } => {
                let (place, shown) = (position(*at, *anchor), fitting_browser(text, class, *room));
                let title = if shown == *text { String::new() } else { titled(text) };
                writeln!(body, "<text {place} class=\"{class}\">{title}{}</text>", escape(&shown))
            }
            Shape::Curve { points, class } => {
                let mut d = String::new();
                for (i, (x, y)) in points.iter().enumerate() {
                    let _ = write!(d, "{}{x:.1} {y:.1}", if i == 0 { 'M' } else { 'L' });
                }
                writeln!(body, "<path d=\"{d}\" class=\"{class}\"/>")
            }
            Shape::Polygon { points, class, opacity } => {
                let points: Vec<String> =
                    points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
                writeln!(
                    body,
                    "<polygon points=\"{}\" fill-opacity=\"{opacity:.3}\" class=\"{class}\"/>",
                    points.join(" ")
                )
            }
            Shape::Rect { at, size, class, opacity, title } => writeln!(
                body,
                "<rect {} fill-opacity=\"{opacity:.3}\" class=\"{class}\">{}</rect>",
                area(*at, *size),
                titled(title)
            ),
            Shape::Dot { at: (x, y), class, title } => writeln!(
                body,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{}\" class=\"{class}\">{}</circle>",
                Drawing::DOT,
                titled(title)
            ),
            // An encoder that writes into memory does not fail.
            Shape::Image { at, size, picture } => encode_png(picture).map_or(Ok(()), |png| {
                let (area, uri) = (area(*at, *size), png_uri(&png));
                writeln!(body, "<image {area} href=\"{uri}\" image-rendering=\"pixelated\"/>")
            }),
        };
    }
    body
}

fn position((x, y): Point, anchor: Anchor) -> String {
    let name = match anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
        Anchor::Slanted => return format!("transform=\"translate({x:.1} {y:.1}) rotate(-45)\""),
    };
    format!("x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{name}\"")
}

fn area((x, y): Point, (width, height): Point) -> String {
    let (width, height) = (width.max(0.0), height.max(0.0));
    format!("x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"")
}

fn titled(title: &str) -> String {
    if title.is_empty() { String::new() } else { format!("<title>{}</title>", escape(title)) }
}
