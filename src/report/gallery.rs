//! A sheet of pictures with captions, to look at images beside what was made of them.

use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::CurvesError;
use super::panel::{Area, INK, place_text, register_font, size_of, text_width};

/// Pictures are enlarged to about this edge, in whole steps, so that each pixel shows.
const SHOWN_EDGE: u32 = 112;
/// Pixels between the pictures of one exhibit, and around exhibits.
const GAP: u32 = 4;
const MARGIN: u32 = 12;
/// Height of a line of a caption, and its font size.
const CAPTION: u32 = 18;
const FONT: i32 = 14;
/// Height of the title's strip, and its font size.
const TITLE: u32 = 40;
const TITLE_FONT: i32 = 18;

/// What a line of a caption says of the model, by its color; the words say it, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Neither.
    Plain,
    /// It is right.
    Right,
    /// It is wrong.
    Wrong,
}

impl Tone {
    fn color(self) -> RGBColor {
        match self {
            Self::Plain => INK,
            Self::Right => RGBColor(0, 120, 84),
            Self::Wrong => RGBColor(190, 60, 0),
        }
    }
}

/// Pictures side by side, with lines of text below.
#[derive(Debug, Clone)]
pub struct Exhibit {
    /// The pictures; those of all exhibits have one size.
    pub pictures: Vec<RgbImage>,
    /// The lines.
    pub caption: Vec<(String, Tone)>,
}

/// Puts exhibits into rows below a title. Text that is too long is cut.
///
/// # Errors
/// When drawing fails, which is a defect of verigrad.
pub fn gallery(title: &str, exhibits: &[Exhibit], per_row: usize) -> Result<RgbImage, CurvesError> {
    register_font();
    let number = |n: usize| u32::try_from(n).map_err(CurvesError::draw);
    let pictures = || exhibits.iter().flat_map(|exhibit| &exhibit.pictures);
    let (w, h) = pictures().next().map_or((1, 1), RgbImage::dimensions);
    let scale = (SHOWN_EDGE / w.max(h).max(1)).max(1);
    let (w, h) = (w * scale, h * scale);
    let beside = number(exhibits.iter().map(|e| e.pictures.len()).max().unwrap_or(0))?.max(1);
    let lines = number(exhibits.iter().map(|e| e.caption.len()).max().unwrap_or(0))?;
    let columns = number(per_row.min(exhibits.len()).max(1))?;
    let rows = number(exhibits.len())?.div_ceil(columns);
    let cell = (beside * (w + GAP) - GAP + MARGIN, h + lines * CAPTION + MARGIN);
    let (width, height) = (columns * cell.0 + MARGIN, TITLE + rows * cell.1);
    let mut sheet = RgbImage::from_pixel(width, height, Rgb([255, 255, 255]));
    let places: Vec<(u32, u32)> = (0..number(exhibits.len())?)
        .map(|i| (MARGIN + i % columns * cell.0, TITLE + i / columns * cell.1))
        .collect();
    for (exhibit, &(x, y)) in exhibits.iter().zip(&places) {
        for (i, picture) in (0..).zip(&exhibit.pictures) {
            let large = imageops::resize(picture, w, h, FilterType::Nearest);
            imageops::replace(&mut sheet, &large, i64::from(x + i * (w + GAP)), i64::from(y));
        }
    }
    {
        let root = BitMapBackend::with_buffer(&mut sheet, (width, height)).into_drawing_area();
        let strip = |at: (u32, u32), size: (u32, u32)| root.clone().shrink(at, size);
        let title_strip = strip((MARGIN, 0), (width - 2 * MARGIN, TITLE));
        write_line(&title_strip, title, TITLE_FONT, INK)?;
        for (exhibit, &(x, y)) in exhibits.iter().zip(&places) {
            for (line, (text, tone)) in (0..).zip(&exhibit.caption) {
                let line = strip((x, y + h + line * CAPTION), (cell.0 - MARGIN, CAPTION));
                write_line(&line, text, FONT, tone.color())?;
            }
        }
        root.present().map_err(CurvesError::draw)?;
    }
    Ok(sheet)
}

/// Writes as much of a text as fits into a strip.
fn write_line(strip: &Area<'_>, text: &str, font: i32, color: RGBColor) -> Result<(), CurvesError> {
    let (width, _) = size_of(strip)?;
    let mut kept = text.to_owned();
    let mut shown = kept.clone();
    while text_width(strip, &shown, font)? > width && kept.pop().is_some() {
        shown = format!("{}…", kept.trim_end());
    }
    place_text(strip, &shown, font, color, (0, HPos::Left))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exhibit(color: u8, caption: &str, tone: Tone) -> Exhibit {
        let picture = RgbImage::from_pixel(8, 4, Rgb([color; 3]));
        Exhibit { pictures: vec![picture; 2], caption: vec![(caption.to_owned(), tone)] }
    }

    #[test]
    fn pictures_lie_in_rows_with_their_captions() {
        let long = "a very long name of a class ".repeat(20);
        let exhibits = [
            exhibit(10, "7", Tone::Right),
            exhibit(20, &long, Tone::Wrong),
            exhibit(30, "\u{1f600}", Tone::Plain),
        ];
        let sheet = gallery(&long, &exhibits, 2).expect("it can be drawn");
        // 14 times as large.
        let cell = (2 * (8 * 14 + GAP) - GAP + MARGIN, 4 * 14 + CAPTION + MARGIN);
        assert_eq!(sheet.dimensions(), (2 * cell.0 + MARGIN, TITLE + 2 * cell.1));
        for (value, at) in [(10, (0, 0)), (20, (1, 0)), (30, (0, 1))] {
            let corner = (MARGIN + at.0 * cell.0, TITLE + at.1 * cell.1);
            assert_eq!(sheet.get_pixel(corner.0, corner.1).0, [value; 3]);
            assert_eq!(sheet.get_pixel(corner.0 + 8 * 14 + GAP, corner.1 + 55).0, [value; 3]);
        }
        // Thin strokes are blended with the ground: green or red remain.
        let has = |is: &dyn Fn(i32, i32) -> bool| {
            sheet.pixels().any(|pixel| is(pixel.0[0].into(), pixel.0[1].into()))
        };
        assert!(has(&|red, green| green > red + 40), "no caption is green");
        assert!(has(&|red, green| red > green + 40), "no caption is red");
    }

    #[test]
    fn an_empty_sheet_has_a_title() {
        let sheet = gallery("", &[], 0).expect("it can be drawn");
        assert!(sheet.height() >= TITLE);
    }
}
