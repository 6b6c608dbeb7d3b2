//! What a picture is made of: shapes on a plane, as plain data.

use image::RgbImage;

use super::font;
use super::style::Style;
use crate::report::format::visible_name;

/// A place, to the right and down, in units of length.
pub(crate) type Point = (f64, f64);

/// Where a text lies.
pub(crate) type Place = (Point, Anchor);

/// How a text lies about its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// It begins there.
    Start,
    /// Its middle is there.
    Middle,
    /// It ends there.
    End,
    /// It begins there and rises to the right.
    Slanted,
}

/// One shape. Its class, or several with spaces between, says how it looks: see
/// `assets/report/picture.css`. A title shows under the pointer where there is one.
#[derive(Debug, Clone)]
pub(super) enum Shape {
    /// A line of text with its base line at the position; of one that is wider than its room, beginning
    /// and end.
    Text { at: Point, anchor: Anchor, class: String, text: String, room: f64 },
    /// Connected points.
    Curve { points: Vec<Point>, class: String },
    /// A polygon, filled with part of the color of its class.
    Polygon { points: Vec<Point>, class: String, opacity: f64 },
    /// A rectangle, likewise.
    Rect { at: Point, size: Point, class: String, opacity: f64, title: String },
    /// A small disk.
    Dot { at: Point, class: String, title: String },
    /// A picture of pixels, of the given width and height.
    Image { at: Point, size: Point, picture: RgbImage },
}

/// A picture that grows shape by shape, on the ground of the page.
#[derive(Debug, Clone)]
pub(crate) struct Drawing {
    pub width: f64,
    pub height: f64,
    pub(super) shapes: Vec<Shape>,
}

impl Drawing {
    /// Radius of a dot.
    pub(super) const DOT: f64 = 2.6;

    pub fn new(width: f64, height: f64) -> Self {
        Self { width, height, shapes: Vec::new() }
    }

    /// Writes a line of text with its base line at `at`.
    pub fn text(&mut self, at: Point, anchor: Anchor, class: &str, text: &str) {
        self.text_within((at, anchor), f64::INFINITY, class, text);
    }

    /// Writes as much of a text as fits into `room`, on one line; where some of it is left out, a page
    /// shows all of it under the pointer.
    pub fn text_within(&mut self, (at, anchor): Place, room: f64, class: &str, text: &str) {
        let (class, text) = (class.to_owned(), visible_name(text).into_owned());
        self.shapes.push(Shape::Text { at, anchor, class, text, room });
    }

    /// Connects two points.
    pub fn line(&mut self, from: Point, to: Point, class: &str) {
        self.curve(&[from, to], class);
    }

    /// Connects points.
    pub fn curve(&mut self, points: &[Point], class: &str) {
        self.shapes.push(Shape::Curve { points: points.to_vec(), class: class.to_owned() });
    }

    /// Fills a polygon with part of the color of its class.
    pub fn polygon(&mut self, points: &[Point], (class, opacity): (&str, f64)) {
        let (points, class) = (points.to_vec(), class.to_owned());
        self.shapes.push(Shape::Polygon { points, class, opacity });
    }

    /// Fills a rectangle with part of the color of its class; `title` shows under the pointer.
    pub fn rect(&mut self, at: Point, size: Point, (class, opacity): (&str, f64), title: &str) {
        let (class, title) = (class.to_owned(), title.to_owned());
        self.shapes.push(Shape::Rect { at, size, class, opacity, title });
    }

    /// Marks a point; `title` shows under the pointer.
    pub fn dot(&mut self, at: Point, class: &str, title: &str) {
        let (class, title) = (class.to_owned(), title.to_owned());
        self.shapes.push(Shape::Dot { at, class, title });
    }

    /// Shows a picture, each of its pixels as a rectangle.
    pub fn image(&mut self, at: Point, size: Point, picture: RgbImage) {
        self.shapes.push(Shape::Image { at, size, picture });
    }

    /// Puts another drawing into this one, with its upper left corner at `by`.
    pub fn place(&mut self, by: Point, other: Self) {
        let moved = |at: &mut Point| *at = (at.0 + by.0, at.1 + by.1);
        for mut shape in other.shapes {
            match &mut shape {
                Shape::Text { at, .. }
                | Shape::Rect { at, .. }
                | Shape::Dot { at, .. }
                | Shape::Image { at, .. } => moved(at),
                Shape::Curve { points, .. } | Shape::Polygon { points, .. } => {
                    points.iter_mut().for_each(moved);
                }
            }
            self.shapes.push(shape);
        }
    }
}

/// Width of a line of text, by the font of bitmaps. Browsers have others, which are narrower as a
/// rule.
pub(crate) fn text_width(text: &str, class: &str) -> f64 {
    font::width(text, Style::of(class).font_size)
}

/// As much of a text as fits into `room`, with `…` for what is missing in its middle: names that begin
/// alike differ at their ends. Characters that no font has are as wide as their escapes.
pub(super) fn fitting(text: &str, class: &str, room: f64) -> String {
    cut_to(text, room, |text| text_width(text, class))
}

/// The same for browsers, which have fonts of their own: what ours lack is taken for as wide as the font
/// is high.
pub(super) fn fitting_browser(text: &str, class: &str, room: f64) -> String {
    let size = Style::of(class).font_size;
    cut_to(text, room, |text| {
        text.chars().map(|c| font::width_of_one(c).unwrap_or(1.0)).sum::<f64>() * size
    })
}

fn cut_to(text: &str, room: f64, width: impl Fn(&str) -> f64) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let chars: Vec<char> = text.chars().collect();
    let cut = |kept: usize| {
        let (start, end) = (&chars[..kept.div_ceil(2)], &chars[chars.len() - kept / 2..]);
        let [start, end] = [start, end].map(|part| part.iter().collect::<String>());
        format!("{}…{}", start.trim_end(), end.trim_start())
    };
    // Between what fits and what does not.
    let (mut most, mut too_many) = (0, chars.len());
    while too_many - most > 1 {
        let middle = usize::midpoint(most, too_many);
        if width(&cut(middle)) <= room { most = middle } else { too_many = middle }
    }
    cut(most)
}

/// What the widest of some names takes, each of them shortened to `most`.
pub(crate) fn widest<'a>(names: impl Iterator<Item = &'a String>, most: f64) -> f64 {
    names.map(|name| text_width(&visible_name(name), "").min(most)).fold(0.0, f64::max)
}

/// A count as a number to draw with.
pub(crate) fn float(n: usize) -> f64 {
    u32::try_from(n).map_or(f64::from(u32::MAX), f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(fitting("short", "", 100.0), "short");
        let cut = fitting(&format!("first {} last", "long ".repeat(40)), "", 100.0);
        assert!(cut.starts_with("first") && cut.contains('…') && cut.ends_with("last"), "{cut}");
        assert!((80.0..=100.0).contains(&text_width(&cut, "")), "{cut}");
        assert_eq!(fitting("any", "", 0.0), "…");
    }

    #[test]
    fn placed_drawings_are_moved() {
        let mut inner = Drawing::new(10.0, 10.0);
        inner.line((0.0, 1.0), (2.0, 3.0), "grid");
        let mut outer = Drawing::new(50.0, 50.0);
        outer.place((10.0, 20.0), inner);
        let [Shape::Curve { points, .. }] = outer.shapes.as_slice() else {
            unreachable!("{outer:?}");
        };
        assert_eq!(points, &[(10.0, 21.0), (12.0, 23.0)]);
    }
}
