//! JPEG files. The `image` crate decodes them leniently: rows that a cut file lacks become gray without
//! a word. Here, by the same decoder, they are an error.

use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, RgbImage};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::{check_decoded, orientation_in_xmp};

/// What is decoded.
struct Bytes<'a>(&'a [u8]);

impl AsRef<[u8]> for Bytes<'_> {
    fn as_ref(&self) -> &[u8] {
        self.0
    }
}

/// Decodes a file, gray or RGB, with the orientation that a camera noted; or tells what is wrong.
pub(super) fn decode(file: &[u8]) -> Result<(DynamicImage, Orientation), String> {
    let lenient = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX));
    // Of a reader that is ours: the compiler would take the decoder of a slice from the `image` crate, which
    // is built to be small, and it would take twice as long.
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(Bytes(file)), lenient);
    // Stray bytes between the headers harm nothing: only what follows is read strictly.
    decoder.decode_headers().map_err(|error| error.to_string())?;
    let (width, height) = decoder.dimensions().ok_or("the header tells no size")?;
    let is_gray = decoder.input_colorspace() == Some(ColorSpace::Luma);
    let (colors, channels) = if is_gray { (ColorSpace::Luma, 1) } else { (ColorSpace::RGB, 3) };
    let [width, height] = [width, height].map(|extent| u32::try_from(extent).unwrap_or(u32::MAX));
    check_decoded(width, height, u64::from(width) * u64::from(height) * channels)?;
    if !has_end(file) {
        return Err("it is cut short: the mark of its end is missing; get it again".to_owned());
    }
    let orientation = decoder
        .exif()
        .and_then(|exif| Orientation::from_exif_chunk(exif))
        .or_else(|| decoder.xmp().and_then(|xmp| orientation_in_xmp(xmp)));

    decoder.set_options(lenient.set_strict_mode(true).jpeg_set_out_colorspace(colors));
    let pixels = decoder
        .decode()
        .map_err(|error| format!("its pixels are damaged or missing ({error}); get it again"))?;
    let image = if is_gray {
        GrayImage::from_raw(width, height, pixels).map(DynamicImage::ImageLuma8)
    } else {
        RgbImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgb8)
    };
    let image = image.ok_or("its pixels are fewer than its size")?;
    Ok((image, orientation.unwrap_or(Orientation::NoTransforms)))
}

/// Whether the mark of the end comes after the first scan. Bytes of a scan never look like a mark, and
/// thumbnails, which have an end of their own, lie in segments before it.
fn has_end(file: &[u8]) -> bool {
    const START_OF_SCAN: u8 = 0xDA;
    const END: [u8; 2] = [0xFF, 0xD9];
    let mut rest = file.get(2..).unwrap_or_default();
    loop {
        // Up to the next mark: stray bytes, and bytes that fill up.
        let Some(at) =
            rest.windows(2).position(|pair| pair[0] == 0xFF && pair[1] > 0 && pair[1] < 0xFF)
        else {
            return false;
        };
        let (mark, after) = (rest[at + 1], &rest[at + 2..]);
        match mark {
            START_OF_SCAN => return after.windows(2).any(|pair| pair == END),
            // Marks without a segment.
            0x01 | 0xD0..=0xD9 => rest = after,
            _ => {
                let [high, low, ..] = after else { return false };
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                rest = after.get(length..).unwrap_or_default();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;
    use std::io::Cursor;

    /// A picture with something in every block, as a JPEG file.
    fn sample() -> Vec<u8> {
        let image = RgbImage::from_fn(64, 64, |x, y| {
            Rgb([x * 37 + y, y * 91 + x, x * y].map(|value| u8::try_from(value % 256).unwrap_or(0)))
        });
        let mut file = Cursor::new(Vec::new());
        image.write_to(&mut file, image::ImageFormat::Jpeg).expect("into memory");
        file.into_inner()
    }

    #[test]
    fn a_whole_file_is_what_the_lenient_decoder_makes_of_it() {
        let file = sample();
        let (image, orientation) = decode(&file).expect("a fine file");
        assert_eq!(image, image::load_from_memory(&file).expect("a fine file"));
        assert_eq!(orientation, Orientation::NoTransforms);
        let trailing = [file.as_slice(), b"whatever"].concat();
        assert_eq!(decode(&trailing).expect("a fine file").0, image);
        let tables = file.windows(2).position(|pair| pair == [0xFF, 0xDB]).expect("tables");
        let stray = [&file[..tables], &[0; 20], &file[tables..]].concat();
        assert_eq!(decode(&stray).expect("a fine file").0, image);
    }

    /// At whatever byte.
    #[test]
    fn a_cut_file_is_an_error() {
        let file = sample();
        let scan = file.windows(2).position(|pair| pair == [0xFF, 0xDA]).expect("a scan");
        for cut in 0..file.len() {
            let error = decode(&file[..cut]).expect_err("a cut file");
            assert!(cut < scan + 14 || error.contains("cut short"), "{cut}: {error}");
        }
    }

    /// Many flips only change pixels; those that leave no code of the table are errors.
    #[test]
    fn a_changed_byte_never_panics() {
        let file = sample();
        let mut errors = 0;
        for at in 0..file.len() {
            let mut changed = file.clone();
            changed[at] ^= 0x55;
            errors += usize::from(decode(&changed).is_err());
        }
        assert!(errors > 100, "{errors} errors");
    }
}
