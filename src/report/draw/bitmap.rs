//! Drawings as pixels, with smooth edges, on white ground.

use image::imageops::{FilterType, resize};
use image::{Rgb, RgbImage};
use tiny_skia::{
    ColorU8, FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Rect, Stroke, Transform,
};

use super::drawing::{Anchor, Drawing, Point, Shape, fitting};
use super::font;
use super::style::{Color, Style};
use crate::report::ReportError;

/// Width of the stroke that makes letters bold, as part of the font's size: the program brings one
/// weight only.
const BOLD: f64 = 0.04;

/// Draws with `scale` pixels for a unit of length.
///
/// # Errors
/// When the picture is too large for the memory.
pub(crate) fn bitmap(drawing: &Drawing, scale: f64) -> Result<RgbImage, ReportError> {
    let too_large = || ReportError::Picture {
        message: format!("{} x {} is too large", drawing.width, drawing.height),
    };
    let edge = |length: f64| whole((length * scale - 1e-6).ceil().max(1.0));
    let (width, height) = (edge(drawing.width), edge(drawing.height));
    let mut canvas = Canvas {
        pixels: Pixmap::new(width, height).ok_or_else(too_large)?,
        scale: Transform::from_scale(single(scale), single(scale)),
    };
    canvas.pixels.fill(tiny_skia::Color::WHITE);
    for shape in &drawing.shapes {
        match shape {
            Shape::Text { at, anchor, class, text, room } => {
                // An escape is cut like other text.
                let text = fitting(&font::escaped(text), class, *room);
                canvas.text(*at, *anchor, class, &text);
            }
            Shape::Curve { points, class } => {
                let style = Style::of(class);
                let sharp = sharpened(points, scale, style.stroke_width);
                canvas.stroke(polyline(sharp.as_ref().map_or(points, |ends| ends)), &style);
            }
            Shape::Polygon { points, class, opacity } => {
                let path = polyline(points).and_then(closed);
                canvas.fill(path, Style::of(class).fill, *opacity);
            }
            Shape::Rect { at, size, class, opacity, .. } => {
                let rect = Rect::from_xywh(
                    single(at.0),
                    single(at.1),
                    single(size.0.max(0.0)),
                    single(size.1.max(0.0)),
                );
                let path = rect.map(PathBuilder::from_rect);
                canvas.fill(path, Style::of(class).fill, *opacity);
            }
            Shape::Dot { at, class, .. } => {
                let path =
                    PathBuilder::from_circle(single(at.0), single(at.1), single(Drawing::DOT));
                canvas.fill(path, Style::of(class).fill, 1.0);
            }
            Shape::Image { at, size, picture } => {
                let shown = resize(picture, edge(size.0), edge(size.1), FilterType::Nearest);
                let place = |at: f64| whole((at * scale).round());
                canvas.image((place(at.0), place(at.1)), &shown);
            }
        }
    }
    Ok(canvas.finish())
}

struct Canvas {
    pixels: Pixmap,
    scale: Transform,
}

impl Canvas {
    fn fill(&mut self, path: Option<Path>, color: Option<Color>, opacity: f64) {
        if let (Some(path), Some(color)) = (path, color) {
            let paint = paint(color, opacity);
            self.pixels.fill_path(&path, &paint, FillRule::Winding, self.scale, None);
        }
    }

    fn stroke(&mut self, path: Option<Path>, style: &Style) {
        if let (Some(path), Some(color)) = (path, style.stroke) {
            let stroke = stroke(style.stroke_width);
            let paint = paint(color, style.stroke_opacity);
            self.pixels.stroke_path(&path, &paint, &stroke, self.scale, None);
        }
    }

    fn text(&mut self, (x, y): Point, anchor: Anchor, class: &str, text: &str) {
        let style = Style::of(class);
        let (Some(path), Some(color)) = (font::outline(text), style.fill) else { return };
        let width = font::width(text, style.font_size);
        let (before, angle) = match anchor {
            Anchor::Start => (0.0, 0.0),
            Anchor::Middle => (width / 2.0, 0.0),
            Anchor::End => (width, 0.0),
            Anchor::Slanted => (0.0, -45.0),
        };
        let size = single(style.font_size);
        let transform = self
            .scale
            .pre_translate(single(x - before), single(y))
            .pre_rotate(angle)
            .pre_scale(size, size);
        let paint = paint(color, 1.0);
        self.pixels.fill_path(&path, &paint, FillRule::Winding, transform, None);
        if style.bold {
            self.pixels.stroke_path(&path, &paint, &stroke(BOLD), transform, None);
        }
    }

    /// Copies the pixels of a picture; what lies beyond the edges is left out.
    fn image(&mut self, (left, top): (u32, u32), picture: &RgbImage) {
        let (width, height) = (self.pixels.width(), self.pixels.height());
        for (x, y, &Rgb([red, green, blue])) in picture.enumerate_pixels() {
            let (x, y) = (left.saturating_add(x), top.saturating_add(y));
            if x < width && y < height {
                let color = ColorU8::from_rgba(red, green, blue, u8::MAX).premultiply();
                self.pixels.pixels_mut()[y as usize * width as usize + x as usize] = color;
            }
        }
    }

    fn finish(self) -> RgbImage {
        let row = self.pixels.width() as usize;
        let pixels = self.pixels.pixels();
        // On opaque ground every pixel is opaque.
        RgbImage::from_fn(self.pixels.width(), self.pixels.height(), |x, y| {
            let pixel = pixels[y as usize * row + x as usize];
            Rgb([pixel.red(), pixel.green(), pixel.blue()])
        })
    }
}

/// A line along an axis, moved so that it covers whole pixels; none for others.
fn sharpened(points: &[Point], scale: f64, width: f64) -> Option<[Point; 2]> {
    let &[from, to] = points else { return None };
    let half = (width * scale).round().max(1.0) / 2.0;
    let onto = |at: f64| ((at * scale - half).round() + half) / scale;
    if from.0 == to.0 {
        Some([from, to].map(|(x, y)| (onto(x), y)))
    } else if from.1 == to.1 {
        Some([from, to].map(|(x, y)| (x, onto(y))))
    } else {
        None
    }
}

fn polyline(points: &[Point]) -> Option<Path> {
    let mut path = PathBuilder::new();
    for (i, &(x, y)) in points.iter().enumerate() {
        let (x, y) = (single(x), single(y));
        if i == 0 { path.move_to(x, y) } else { path.line_to(x, y) }
    }
    path.finish()
}

fn closed(path: Path) -> Option<Path> {
    let mut builder = PathBuilder::new();
    builder.push_path(&path);
    builder.close();
    builder.finish()
}

fn paint([red, green, blue]: Color, opacity: f64) -> Paint<'static> {
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    let alpha = whole((opacity.clamp(0.0, 1.0) * 255.0).round());
    paint.set_color_rgba8(red, green, blue, u8::try_from(alpha).unwrap_or(u8::MAX));
    paint
}

fn stroke(width: f64) -> Stroke {
    Stroke {
        width: single(width),
        line_cap: LineCap::Round,
        line_join: LineJoin::Round,
        ..Stroke::default()
    }
}

/// A length as the rasterizer takes it.
fn single(length: f64) -> f32 {
    #[expect(clippy::cast_possible_truncation, reason = "places within a picture")]
    let single = length as f32;
    single
}

/// A whole number that is not negative.
fn whole(value: f64) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within u16")]
    let whole = value.clamp(0.0, 65_535.0) as u32;
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_and_pictures_leave_their_colors() {
        let mut drawing = Drawing::new(40.0, 20.0);
        drawing.polygon(&[(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0)], ("f0", 1.0));
        drawing.rect((30.0, 0.0), (4.0, 4.0), ("f1", 1.0), "");
        drawing.image((20.0, 0.0), (10.0, 10.0), RgbImage::from_pixel(2, 2, Rgb([9, 8, 7])));
        drawing.text((0.0, 18.0), Anchor::Start, "", "a\u{1f600}");
        let picture = bitmap(&drawing, 2.0).expect("it is drawn");
        assert_eq!(picture.dimensions(), (80, 40));
        assert_eq!(picture.get_pixel(8, 8).0, [0, 114, 178]);
        assert_eq!(picture.get_pixel(64, 4).0, [213, 94, 0]);
        assert_eq!(picture.get_pixel(50, 10).0, [9, 8, 7]);
        assert_eq!(picture.get_pixel(72, 10).0, [255; 3]);
        let inked = (0..80).flat_map(|x| (20..40).map(move |y| (x, y)));
        let inked = inked.filter(|&(x, y)| picture.get_pixel(x, y).0[0] < 128).count();
        assert!(inked > 20, "the text is there: {inked}");
    }

    #[test]
    fn what_is_no_number_is_not_drawn() {
        let mut drawing = Drawing::new(0.0, 0.0);
        drawing.line((f64::NAN, 0.0), (1.0, f64::INFINITY), "l0");
        drawing.rect((0.0, 0.0), (f64::NAN, -1.0), ("f0", f64::NAN), "");
        drawing.text((0.0, 0.0), Anchor::Slanted, "head", "text");
        assert_eq!(bitmap(&drawing, 1.0).expect("it is drawn").dimensions(), (1, 1));
    }
}
