//! Letters of pictures that no browser draws: their widths and outlines.

use std::sync::LazyLock;

use tiny_skia::{Path, PathBuilder};
use ttf_parser::{Face, OutlineBuilder};

/// DejaVu Sans with the characters that charts need; its license lies beside it.
const FONT: &[u8] = include_bytes!("../../../assets/fonts/DejaVuSans-subset.ttf");

static FACE: LazyLock<Face<'static>> =
    LazyLock::new(|| Face::parse(FONT, 0).expect("the program brings its font"));

/// Width of a line of text in a font of the given size.
pub(super) fn width(text: &str, size: f64) -> f64 {
    let face = &*FACE;
    let advances = text.chars().map(|c| {
        let glyph = face.glyph_index(drawable(c)).unwrap_or_default();
        f64::from(face.glyph_hor_advance(glyph).unwrap_or_default())
    });
    advances.sum::<f64>() * size / f64::from(face.units_per_em())
}

/// Outline of a line of text in a font of size 1 that begins at the origin; none where nothing
/// shows.
pub(super) fn outline(text: &str) -> Option<Path> {
    let face = &*FACE;
    let mut pen = Pen { path: PathBuilder::new(), x: 0.0, em: f32::from(face.units_per_em()) };
    for c in text.chars() {
        let glyph = face.glyph_index(drawable(c)).unwrap_or_default();
        face.outline_glyph(glyph, &mut pen);
        pen.x += f32::from(face.glyph_hor_advance(glyph).unwrap_or_default());
    }
    pen.path.finish()
}

/// The character, or another one where the font lacks it.
fn drawable(c: char) -> char {
    if FACE.glyph_index(c).is_some() { c } else { '?' }
}

/// Draws outlines, in the font's units with upward `y`, from `x` on.
struct Pen {
    path: PathBuilder,
    x: f32,
    em: f32,
}

impl Pen {
    fn at(&self, x: f32, y: f32) -> (f32, f32) {
        ((self.x + x) / self.em, -y / self.em)
    }
}

impl OutlineBuilder for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.at(x1, y1), self.at(x, y));
        self.path.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2), (x, y)) = (self.at(x1, y1), self.at(x2, y2), self.at(x, y));
        self.path.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_widths_and_outlines() {
        // Digits share one width, so that numbers line up.
        assert_eq!(width("1111", 13.0), width("0000", 13.0));
        assert_eq!(width("", 13.0), 0.0);
        assert_eq!(width("\u{1f600}", 13.0), width("?", 13.0));
        let bounds = outline("HH").expect("letters show").bounds();
        assert!(bounds.top() < -0.6 && bounds.bottom().abs() < 0.01, "{bounds:?}");
        assert!(outline(" ").is_none() && outline("").is_none());
    }
}
