//! A sheet of pictures with captions, to look at images beside what was made of them.

use image::RgbImage;

use super::super::ReportError;
use super::super::draw::{Anchor, Drawing, bitmap, float};

/// Pictures are enlarged to about this edge, in whole steps, so that each pixel shows.
const SHOWN_EDGE: u32 = 112;
/// Pixels between the pictures of one exhibit, and around exhibits.
const GAP: f64 = 4.0;
const MARGIN: f64 = 12.0;
/// Height of a line of a caption.
const CAPTION: f64 = 18.0;
/// Height of the title's strip.
const TITLE: f64 = 40.0;

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
    fn class(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Right => "good",
            Self::Wrong => "bad",
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
pub fn gallery(title: &str, exhibits: &[Exhibit], per_row: usize) -> Result<RgbImage, ReportError> {
    let pictures = || exhibits.iter().flat_map(|exhibit| &exhibit.pictures);
    let (w, h) = pictures().next().map_or((1, 1), RgbImage::dimensions);
    let times = (SHOWN_EDGE / w.max(h).max(1)).max(1);
    let (w, h) = (f64::from(w * times), f64::from(h * times));
    let most = |of: fn(&Exhibit) -> usize| float(exhibits.iter().map(of).max().unwrap_or(0));
    let beside = most(|exhibit| exhibit.pictures.len()).max(1.0);
    let lines = most(|exhibit| exhibit.caption.len());
    let columns = per_row.min(exhibits.len()).max(1);
    let rows = exhibits.len().div_ceil(columns);
    let cell = (beside * (w + GAP) - GAP + MARGIN, h + lines * CAPTION + MARGIN);
    let (width, height) = (float(columns) * cell.0 + MARGIN, TITLE + float(rows) * cell.1);
    let mut sheet = Drawing::new(width, height);
    sheet.text_within(((MARGIN, 26.0), Anchor::Start), width - 2.0 * MARGIN, "title", title);
    for (i, exhibit) in exhibits.iter().enumerate() {
        let (column, row) = (float(i % columns), float(i / columns));
        let (x, y) = (MARGIN + column * cell.0, TITLE + row * cell.1);
        for (i, picture) in exhibit.pictures.iter().enumerate() {
            sheet.image((x + float(i) * (w + GAP), y), (w, h), picture.clone());
        }
        for (i, (text, tone)) in exhibit.caption.iter().enumerate() {
            let at = (x, y + h + 14.0 + float(i) * CAPTION);
            sheet.text_within((at, Anchor::Start), cell.0 - MARGIN, tone.class(), text);
        }
    }
    bitmap(&sheet, 1.0)
}

#[cfg(test)]
mod tests {
    use image::Rgb;

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
        let cell = (2 * (8 * 14 + 4) - 4 + 12, 4 * 14 + 18 + 12);
        assert_eq!(sheet.dimensions(), (2 * cell.0 + 12, 40 + 2 * cell.1));
        for (value, at) in [(10, (0, 0)), (20, (1, 0)), (30, (0, 1))] {
            let corner = (12 + at.0 * cell.0, 40 + at.1 * cell.1);
            assert_eq!(sheet.get_pixel(corner.0, corner.1).0, [value; 3]);
            assert_eq!(sheet.get_pixel(corner.0 + 8 * 14 + 4, corner.1 + 55).0, [value; 3]);
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
        assert!(sheet.height() >= 40);
    }
}
