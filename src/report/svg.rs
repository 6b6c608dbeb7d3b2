//! Vector pictures by hand: shapes with the classes of the page's style sheet, so that one picture
//! serves light and dark pages, print, and a file of its own.

use std::fmt::Write as _;

use super::page::escape;

/// Colors and text styles, for pages and for pictures alone.
pub(super) const PICTURE_CSS: &str = include_str!("../../assets/report/picture.css");

/// How a text lies about its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Anchor {
    fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        }
    }
}

/// What pictures of lines and pictures of pixels both draw. A class says how a shape looks.
pub(super) trait Drawing {
    /// Writes a line of text with its base line at `y`.
    fn text(&mut self, at: (f64, f64), anchor: Anchor, class: &str, text: &str);
    /// Connects two points.
    fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str);
    /// Connects points.
    fn curve(&mut self, points: &[(f64, f64)], class: &str);
    /// Fills a polygon with part of the color of its class.
    fn shape(&mut self, points: &[(f64, f64)], fill: (&str, f64));
}

impl Drawing for Svg {
    fn text(&mut self, at: (f64, f64), anchor: Anchor, class: &str, text: &str) {
        Self::text(self, at, anchor, class, text);
    }

    fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        Self::line(self, from, to, class);
    }

    fn curve(&mut self, points: &[(f64, f64)], class: &str) {
        Self::curve(self, points, class);
    }

    fn shape(&mut self, points: &[(f64, f64)], fill: (&str, f64)) {
        Self::shape(self, points, fill);
    }
}

/// A picture that grows shape by shape. Lengths are in units of its view box.
#[derive(Debug, Clone)]
pub(super) struct Svg {
    width: f64,
    height: f64,
    body: String,
}

impl Svg {
    pub fn new(width: f64, height: f64) -> Self {
        Self { width, height, body: String::new() }
    }

    /// Writes a line of text with its base line at `y`.
    pub fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, class: &str, text: &str) {
        let _ = writeln!(
            self.body,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{}\" class=\"{class}\">{}</text>",
            anchor.name(),
            escape(text)
        );
    }

    /// Writes a line of text that rises to the right.
    pub fn slanted(&mut self, (x, y): (f64, f64), class: &str, text: &str) {
        let _ = writeln!(
            self.body,
            "<text transform=\"translate({x:.1} {y:.1}) rotate(-45)\" class=\"{class}\">{}</text>",
            escape(text)
        );
    }

    pub fn line(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64), class: &str) {
        let _ =
            writeln!(self.body, "<path d=\"M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}\" class=\"{class}\"/>");
    }

    /// Connects points.
    pub fn curve(&mut self, points: &[(f64, f64)], class: &str) {
        let mut d = String::new();
        for (i, (x, y)) in points.iter().enumerate() {
            let _ = write!(d, "{}{x:.1} {y:.1}", if i == 0 { 'M' } else { 'L' });
        }
        let _ = writeln!(self.body, "<path d=\"{d}\" class=\"{class}\"/>");
    }

    pub fn dot(&mut self, (x, y): (f64, f64), class: &str, title: &str) {
        let title = escape(title);
        let _ = writeln!(
            self.body,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.6\" class=\"{class}\"><title>{title}</title>\
             </circle>"
        );
    }

    /// Fills a rectangle with part of the color of its class; `title` shows under the pointer.
    pub fn rect(
        &mut self,
        (x, y): (f64, f64),
        (width, height): (f64, f64),
        (class, opacity): (&str, f64),
        title: &str,
    ) {
        let title = if title.is_empty() {
            String::new()
        } else {
            format!("<title>{}</title>", escape(title))
        };
        let _ = writeln!(
            self.body,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" \
             fill-opacity=\"{opacity:.3}\" class=\"{class}\">{title}</rect>",
            width.max(0.0),
            height.max(0.0)
        );
    }

    /// Fills a polygon with part of the color of its class.
    pub fn shape(&mut self, points: &[(f64, f64)], (class, opacity): (&str, f64)) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(
            self.body,
            "<polygon points=\"{}\" fill-opacity=\"{opacity:.3}\" class=\"{class}\"/>",
            points.join(" ")
        );
    }

    /// The picture as part of a page.
    pub fn inline(&self, label: &str) -> String {
        format!(
            "<svg class=\"picture\" viewBox=\"0 0 {:.0} {:.0}\" role=\"img\" aria-label=\"{}\">\n\
             {}</svg>\n",
            self.width,
            self.height,
            escape(label),
            self.body
        )
    }

    /// The picture as a file of its own, with its ground: light or dark as the reader's screen is.
    pub fn file(&self, label: &str) -> String {
        let (width, height) = (self.width, self.height);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"picture\" viewBox=\"0 0 {width:.0} \
             {height:.0}\" width=\"{:.0}\" height=\"{:.0}\">\n<title>{}</title>\n<style>\n\
             {PICTURE_CSS}svg {{ background: var(--ground) }}\n</style>\n{}</svg>\n",
            width * 1.5,
            height * 1.5,
            escape(label),
            self.body
        )
    }
}

/// A count as a number to draw with.
pub(super) fn float(n: usize) -> f64 {
    u32::try_from(n).map_or(f64::from(u32::MAX), f64::from)
}
