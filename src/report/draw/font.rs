//! Letters of pictures that no browser draws: their widths and outlines. What the font that the program
//! brings lacks is looked for in the fonts of the system, and what none has is written as an escape such
//! as `\u{732b}`.
//!
//! Each character is drawn by itself: letters of Arabic are not joined. Runs of letters that are read from
//! right to left are laid out so.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use fontdb::{Database, FaceInfo, Stretch, Style};
use tiny_skia::{Path, PathBuilder, Transform};
use ttf_parser::{Face, OutlineBuilder};

/// DejaVu Sans with the characters that charts need; its license lies beside it.
const FONT: &[u8] = include_bytes!("../../../assets/fonts/DejaVuSans-subset.ttf");

static FACE: LazyLock<Face<'static>> =
    LazyLock::new(|| Face::parse(FONT, 0).expect("the program brings its font"));

/// The fonts of the system, listed once a character is not in ours.
static SYSTEM: LazyLock<Database> = LazyLock::new(|| {
    let mut fonts = Database::new();
    fonts.load_system_fonts();
    log::debug!("{} faces of fonts are on the system", fonts.len());
    fonts
});

/// Characters that were drawn before; none where no font has one.
static GLYPHS: LazyLock<Mutex<HashMap<char, Option<Arc<Glyph>>>>> = LazyLock::new(Mutex::default);

/// A character in a font of size 1.
#[derive(Debug)]
struct Glyph {
    /// How far it is to the next one.
    advance: f32,
    /// Its shape, from the origin on; none for spaces.
    outline: Option<Path>,
}

/// Width of a line of text in a font of the given size.
pub(super) fn width(text: &str, size: f64) -> f64 {
    glyphs(text).iter().map(|glyph| f64::from(glyph.advance)).sum::<f64>() * size
}

/// Width of a character in a font of size 1; none where no font has it.
pub(super) fn width_of_one(c: char) -> Option<f64> {
    Some(f64::from(glyph(c)?.advance))
}

/// A text with escapes for the characters that no font has.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match glyph(c) {
            Some(_) => out.push(c),
            None => out.extend(c.escape_unicode()),
        }
    }
    out
}

/// Outline of a line of text in a font of size 1 that begins at the origin; none where nothing
/// shows.
pub(super) fn outline(text: &str) -> Option<Path> {
    let mut line = PathBuilder::new();
    let mut x = 0.0;
    for glyph in glyphs(text) {
        let moved = Transform::from_translate(x, 0.0);
        if let Some(outline) = glyph.outline.clone().and_then(|outline| outline.transform(moved)) {
            line.push_path(&outline);
        }
        x += glyph.advance;
    }
    line.finish()
}

/// The characters of a text from left to right; escapes stand for those that no font has.
fn glyphs(text: &str) -> Vec<Arc<Glyph>> {
    let mut drawn = Vec::new();
    for c in from_left(text) {
        match glyph(c) {
            Some(glyph) => drawn.push(glyph),
            None => drawn.extend(c.escape_unicode().filter_map(glyph)),
        }
    }
    drawn
}

/// The characters in the order in which they stand, where some are read from right to left: runs of
/// these, with what lies between them, turned around.
fn from_left(text: &str) -> Vec<char> {
    let mut chars: Vec<char> = text.chars().collect();
    let mut start = 0;
    while let Some(first) = chars[start..].iter().position(|&c| is_from_right(c)) {
        let first = start + first;
        let mut last = first;
        for (at, &c) in chars.iter().enumerate().skip(first) {
            match c {
                c if is_from_right(c) => last = at,
                c if c.is_alphanumeric() => break,
                _ => {}
            }
        }
        chars[first..=last].reverse();
        start = last + 1;
    }
    chars
}

/// Hebrew, Arabic and their neighbors.
fn is_from_right(c: char) -> bool {
    matches!(c, '\u{590}'..='\u{8FF}' | '\u{FB1D}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFC}')
}

/// A character, in our font or one of the system.
fn glyph(c: char) -> Option<Arc<Glyph>> {
    let mut known = GLYPHS.lock().unwrap_or_else(PoisonError::into_inner);
    known.entry(c).or_insert_with(|| found(c).map(Arc::new)).clone()
}

fn found(c: char) -> Option<Glyph> {
    // Joiners and choices between forms, which show nothing by themselves.
    if matches!(c, '\u{200B}'..='\u{200D}' | '\u{FE00}'..='\u{FE0F}') {
        return Some(Glyph { advance: 0.0, outline: None });
    }
    drawn(&FACE, c).or_else(|| {
        if c.is_control() {
            return None;
        }
        let mut faces: Vec<&FaceInfo> = SYSTEM.faces().collect();
        // Plain faces first; names, so that it is always the same one.
        faces.sort_by_key(|face| {
            let is_plain = face.style == Style::Normal && face.stretch == Stretch::Normal;
            (!is_plain, face.monospaced, face.weight.0.abs_diff(400), &face.post_script_name)
        });
        let in_face = |data: &[u8], index| drawn(&Face::parse(data, index).ok()?, c);
        faces.into_iter().find_map(|face| SYSTEM.with_face_data(face.id, in_face)?)
    })
}

/// A character of a face; none where it has no outline, as in fonts of colored pictures.
fn drawn(face: &Face<'_>, c: char) -> Option<Glyph> {
    let glyph = face.glyph_index(c)?;
    let em = f32::from(face.units_per_em());
    let mut pen = Pen { path: PathBuilder::new(), em };
    let shows = face.outline_glyph(glyph, &mut pen).is_some();
    let advance = f32::from(face.glyph_hor_advance(glyph)?) / em;
    let outline = pen.path.finish();
    ((shows && outline.is_some()) || c.is_whitespace()).then_some(Glyph { advance, outline })
}

/// Draws outlines, in the font's units with upward `y`.
struct Pen {
    path: PathBuilder,
    em: f32,
}

impl Pen {
    fn at(&self, x: f32, y: f32) -> (f32, f32) {
        (x / self.em, -y / self.em)
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
        let bounds = outline("HH").expect("letters show").bounds();
        assert!(bounds.top() < -0.6 && bounds.bottom().abs() < 0.01, "{bounds:?}");
        assert!(outline(" ").is_none() && outline("").is_none());
    }

    /// Our font has what escapes consist of; a noncharacter is in no font.
    #[test]
    fn what_no_font_has_is_escaped() {
        for c in ' '..='~' {
            assert!(drawn(&FACE, c).is_some(), "{c:?}");
        }
        for (text, escaped) in [("\u{10ffff}", "\\u{10ffff}"), ("a\nb", "a\\u{a}b")] {
            assert_eq!(width(text, 13.0), width(escaped, 13.0));
            assert_eq!(outline(text), outline(escaped));
        }
    }

    #[test]
    fn letters_from_the_right_are_laid_out_so() {
        let laid_out = |text: &str| from_left(text).into_iter().collect::<String>();
        assert_eq!(laid_out("abc"), "abc");
        assert_eq!(laid_out("אבג"), "גבא");
        assert_eq!(laid_out("a אב, גד (1)"), "a דג ,בא (1)");
    }
}
