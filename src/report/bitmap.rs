//! Pictures of pixels, drawn with the shapes and classes of [`Svg`](super::svg::Svg).

use image::imageops::{FilterType, overlay, resize, thumbnail};
use image::{Rgb, RgbImage};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::ReportError;
use super::panel::{FONT_FAMILY, SCALE, register_font};
use super::svg::{Anchor, Drawing};

/// Pixels of the picture for one unit of length, so that it is sharp on fine screens.
const PIXELS: u32 = 2;

/// A picture that grows shape by shape, on white ground. Lengths are in units, of [`PIXELS`] each.
pub(super) struct Bitmap {
    canvas: RgbImage,
    failed: Option<ReportError>,
}

/// Colors of the style sheet's light form.
fn color(class: &str) -> RGBColor {
    let first = class.split(' ').next().unwrap_or_default();
    match first {
        "f0" | "l0" => RGBColor(0, 114, 178),
        "f1" | "l1" => RGBColor(213, 94, 0),
        "grid" | "track" => RGBColor(216, 222, 228),
        "axis" | "muted" => RGBColor(87, 96, 106),
        "good" => RGBColor(26, 127, 55),
        "bad" => RGBColor(200, 38, 27),
        "ground" => WHITE,
        _ => RGBColor(31, 35, 40),
    }
}

/// Text with what the font lacks replaced.
fn drawable(text: &str) -> String {
    let known = |c: char| (' '..='~').contains(&c) || "°±²µ·×–—‘’“”•…↑→↓−≈≤≥\u{a0}".contains(c);
    text.chars().map(|c| if known(c) { c } else { '?' }).collect()
}

fn place((x, y): (f64, f64)) -> (i32, i32) {
    let scale = f64::from(SCALE);
    #[expect(clippy::cast_possible_truncation, reason = "pictures have thousands of pixels")]
    let whole = |v: f64| (v * scale).round() as i32;
    (whole(x), whole(y))
}

fn pixels(length: f64, scale: u32) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a picture's size")]
    let pixels = (length * f64::from(scale)).ceil().clamp(1.0, 65_535.0) as u32;
    pixels
}

impl Bitmap {
    pub fn new(width: f64, height: f64) -> Self {
        register_font();
        let scale = SCALE.unsigned_abs();
        let size = (pixels(width, scale), pixels(height, scale));
        Self { canvas: RgbImage::from_pixel(size.0, size.1, Rgb([255; 3])), failed: None }
    }

    /// Draws a picture into a square of side `side`, each of its pixels as a square.
    pub fn image(&mut self, at: (f64, f64), side: f64, picture: &RgbImage) {
        let scale = SCALE.unsigned_abs();
        let (x, y) = place(at);
        let longest = f64::from(picture.width().max(picture.height()).max(1));
        let edge = |n: u32| pixels(side * f64::from(n) / longest, scale);
        let (width, height) = (edge(picture.width()), edge(picture.height()));
        let shown = resize(picture, width, height, FilterType::Nearest);
        overlay(&mut self.canvas, &shown, x.into(), y.into());
    }

    /// The picture.
    ///
    /// # Errors
    /// When a shape could not be drawn, which is a defect of verigrad.
    pub fn finish(self) -> Result<RgbImage, ReportError> {
        let shrink = SCALE.unsigned_abs() / PIXELS;
        let (width, height) = self.canvas.dimensions();
        match self.failed {
            Some(error) => Err(error),
            None => Ok(thumbnail(
                &self.canvas,
                width.div_ceil(shrink).max(1),
                height.div_ceil(shrink).max(1),
            )),
        }
    }

    fn draw(&mut self, element: impl FnOnce(&super::panel::Area<'_>) -> Result<(), String>) {
        let size = self.canvas.dimensions();
        let area = BitMapBackend::with_buffer(&mut self.canvas, size).into_drawing_area();
        let drawn = element(&area).and_then(|()| area.present().map_err(|e| e.to_string()));
        if let Err(message) = drawn {
            self.failed.get_or_insert(ReportError::Picture { message });
        }
    }
}

impl Drawing for Bitmap {
    fn text(&mut self, at: (f64, f64), anchor: Anchor, class: &str, text: &str) {
        let size = if class.contains("small") { 11 } else { 13 } * SCALE;
        let side = match anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        let color = color(class);
        let text = drawable(text);
        let style = TextStyle::from((FONT_FAMILY, size).into_font())
            .color(&color)
            .pos(Pos::new(side, VPos::Center));
        // Letters are centered about a third of their size above their base line.
        let at = place((at.0, at.1 - 0.34 * f64::from(size) / f64::from(SCALE)));
        self.draw(|area| area.draw_text(&text, &style, at).map_err(|e| e.to_string()));
    }

    fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        self.curve(&[from, to], class);
    }

    fn curve(&mut self, points: &[(f64, f64)], class: &str) {
        let width = if class.starts_with('l') { SCALE.unsigned_abs() * 5 / 4 } else { 4 };
        let style = color(class).stroke_width(width);
        let points: Vec<(i32, i32)> = points.iter().map(|&point| place(point)).collect();
        self.draw(|area| area.draw(&PathElement::new(points, style)).map_err(|e| e.to_string()));
    }

    fn shape(&mut self, points: &[(f64, f64)], (class, opacity): (&str, f64)) {
        let style = color(class).mix(opacity).filled();
        let points: Vec<(i32, i32)> = points.iter().map(|&point| place(point)).collect();
        self.draw(|area| area.draw(&Polygon::new(points, style)).map_err(|e| e.to_string()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_and_pictures_leave_their_colors() {
        let mut bitmap = Bitmap::new(40.0, 20.0);
        bitmap.shape(&[(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0)], ("f0", 1.0));
        bitmap.image((20.0, 0.0), 10.0, &RgbImage::from_pixel(2, 2, Rgb([9, 8, 7])));
        bitmap.text((0.0, 18.0), Anchor::Start, "", "a\u{1f600}");
        let picture = bitmap.finish().expect("it is drawn");
        assert_eq!(picture.dimensions(), (80, 40));
        assert_eq!(picture.get_pixel(8, 8).0, [0, 114, 178]);
        assert_eq!(picture.get_pixel(50, 10).0, [9, 8, 7]);
        assert_eq!(picture.get_pixel(70, 10).0, [255; 3]);
        let inked = (0..80).flat_map(|x| (20..40).map(move |y| (x, y)));
        let inked = inked.filter(|&(x, y)| picture.get_pixel(x, y).0[0] < 128).count();
        assert!(inked > 20, "the text is there: {inked}");
    }
}
