//! A contact sheet: images in rows, the first of each row set apart.

use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};

/// Pixels between images, and around them.
const GAP: u32 = 4;
/// Pixels between the first column and the others.
const WIDE_GAP: u32 = 16;
/// Images are enlarged to about this side, in whole steps, so that each pixel shows.
const SHOWN_SIDE: u32 = 84;
/// The ground: neither black nor white, so that borders of images show.
const GROUND: Rgb<u8> = Rgb([96, 112, 128]);

/// Puts images of `[height, width, channels]` bytes into rows; images of one channel are gray, of
/// those with more than three only three are shown.
pub fn contact_sheet(rows: &[Vec<&[u8]>], [height, width, channels]: [usize; 3]) -> RgbImage {
    let side = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).max(1);
    let (h, w) = (side(height), side(width));
    let scale = (SHOWN_SIDE / h.max(w)).max(1);
    let (cell_h, cell_w) = (h * scale, w * scale);
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let left = |column: usize| {
        let apart = if column > 0 { WIDE_GAP - GAP } else { 0 };
        GAP + apart + side(column + 1).saturating_sub(1) * (cell_w + GAP)
    };
    let top = |row: usize| GAP + side(row + 1).saturating_sub(1) * (cell_h + GAP);
    let size = (left(columns).max(1), top(rows.len()).max(1));
    let mut sheet = RgbImage::from_pixel(size.0, size.1, GROUND);
    for (r, row) in rows.iter().enumerate() {
        for (c, bytes) in row.iter().enumerate() {
            let small = RgbImage::from_fn(w, h, |x, y| {
                let at = (y as usize * width + x as usize) * channels;
                let value = |channel: usize| {
                    let channel = if channels < 3 { 0 } else { channel };
                    bytes.get(at + channel).copied().unwrap_or(0)
                };
                Rgb([value(0), value(1), value(2)])
            });
            let large = imageops::resize(&small, cell_w, cell_h, FilterType::Nearest);
            imageops::replace(&mut sheet, &large, i64::from(left(c)), i64::from(top(r)));
        }
    }
    sheet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_lie_where_their_row_and_column_say() {
        let images: Vec<Vec<u8>> = (0..6_u8).map(|i| vec![40 * i; 4 * 3 * 3]).collect();
        let rows: Vec<Vec<&[u8]>> =
            images.chunks(3).map(|row| row.iter().map(Vec::as_slice).collect()).collect();
        let sheet = contact_sheet(&rows, [4, 3, 3]);
        // 21 times as large: the longer side has four pixels.
        let (w, h) = (3 * 21, 4 * 21);
        assert_eq!(sheet.dimensions(), (WIDE_GAP + 3 * (w + GAP), GAP + 2 * (h + GAP)));
        for (i, at) in [(0, (4, 4)), (1, (w + 20, 4)), (5, (2 * w + 24, h + 8))] {
            assert_eq!(sheet.get_pixel(at.0, at.1).0, [40 * i; 3], "image {i}");
        }
        assert_eq!(*sheet.get_pixel(w + 10, 30), GROUND);
        assert_eq!(contact_sheet(&[], [1, 1, 1]).dimensions().1, GAP);
    }
}
