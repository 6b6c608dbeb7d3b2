//! Image files (PNG, JPEG) to pixels of a given size.

use std::path::Path;

use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder, ImageReader, Rgb};

use super::DataError;

/// Reads any PNG or JPEG file as `[height, width, channels]`, for a model that expects that size.
///
/// The largest centered part with the proportions of the result is cut out and resized to it; one
/// channel gives grayscale, three give RGB. Transparent parts show white, and the orientation that
/// a camera noted is followed. `invert` turns dark into light: models of digits expect light
/// strokes on a dark ground, photographs of paper show the opposite.
///
/// # Errors
///
/// If the file cannot be read or decoded, `channels` is neither 1 nor 3, or the size is 0 or above
/// 4096.
pub fn decode_image(
    path: &Path,
    height: usize,
    width: usize,
    channels: usize,
    invert: bool,
) -> Result<Vec<u8>, DataError> {
    let target = [checked_extent(height)?, checked_extent(width)?];
    if channels != 1 && channels != 3 {
        let problem = format!(
            "cannot be turned into {channels} channels: expected a model with 1 (grayscale) or 3 \
             (RGB) input channels"
        );
        return Err(DataError::malformed(path, problem));
    }
    let mut pixels = to_pixels(&fit(&open(path)?, target), channels == 1);
    if invert {
        pixels.iter_mut().for_each(|value| *value = u8::MAX - *value);
    }
    Ok(pixels)
}

/// Largest height or width that images are resized to, in pixels.
const MAX_EXTENT: usize = 4096;

/// An extent that images can be resized to.
pub(super) fn checked_extent(extent: usize) -> Result<u32, DataError> {
    u32::try_from(extent).ok().filter(|_| (1..=MAX_EXTENT).contains(&extent)).ok_or_else(|| {
        let problem =
            format!("{extent} given: expected a height and a width of 1 to {MAX_EXTENT} pixels");
        DataError::config("image_size", problem)
    })
}

/// Decodes a file, whose content and not whose name tells its format.
pub(super) fn open(path: &Path) -> Result<DynamicImage, DataError> {
    let decode = |source| DataError::Decode { path: path.to_path_buf(), source };
    let reader = ImageReader::open(path)
        .and_then(ImageReader::with_guessed_format)
        .map_err(|source| DataError::read(path, source))?;
    let mut decoder = reader.into_decoder().map_err(decode)?;
    let orientation = decoder.orientation().map_err(decode)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(decode)?;
    image.apply_orientation(orientation);
    Ok(image)
}

/// Cuts the largest centered part with the proportions of `[height, width]` out of an image and
/// resizes it to them: the same as resizing the shorter side and cropping, but an image of extreme
/// proportions takes no extreme memory.
pub(super) fn fit(image: &DynamicImage, [height, width]: [u32; 2]) -> DynamicImage {
    let (has_width, has_height) = (image.width(), image.height());
    if (has_width, has_height) == (width, height) {
        return image.clone();
    }
    let crop_width = scaled(has_height, width, height).min(has_width);
    let crop_height = scaled(has_width, height, width).min(has_height);
    let (x, y) = ((has_width - crop_width) / 2, (has_height - crop_height) / 2);
    let cropped = image.crop_imm(x, y, crop_width, crop_height);
    cropped.resize_exact(width, height, FilterType::Triangle)
}

/// `extent * numerator / denominator`, rounded, at least 1.
fn scaled(extent: u32, numerator: u32, denominator: u32) -> u32 {
    let denominator = u64::from(denominator.max(1));
    let value = (u64::from(extent) * u64::from(numerator) + denominator / 2) / denominator;
    u32::try_from(value).unwrap_or(u32::MAX).max(1)
}

/// The pixels of an image, `[height, width, 1]` or `[height, width, 3]`.
pub(super) fn to_pixels(image: &DynamicImage, grayscale: bool) -> Vec<u8> {
    let opaque;
    let image = if image.color().has_alpha() {
        opaque = over_white(image);
        &opaque
    } else {
        image
    };
    if grayscale { image.to_luma8().into_raw() } else { image.to_rgb8().into_raw() }
}

/// Lays an image with transparent parts on white: their hidden color, often black, must not show.
fn over_white(image: &DynamicImage) -> DynamicImage {
    let source = image.to_rgba8();
    let mut opaque = image::RgbImage::new(source.width(), source.height());
    for (to, from) in opaque.pixels_mut().zip(source.pixels()) {
        let [r, g, b, alpha] = from.0.map(u32::from);
        let blend = |value: u32| {
            // At most 255, because both weights sum to 255.
            u8::try_from((value * alpha + 255 * (255 - alpha) + 127) / 255).unwrap_or(u8::MAX)
        };
        *to = Rgb([r, g, b].map(blend));
    }
    DynamicImage::ImageRgb8(opaque)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, Luma, RgbImage, Rgba, RgbaImage};

    fn saved(
        image: impl Into<DynamicImage>,
        name: &str,
    ) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join(name);
        image.into().save(&path).expect("written");
        (dir, path)
    }

    #[test]
    fn pixels_of_the_right_size_pass_unchanged() {
        let image = RgbImage::from_fn(3, 2, |x, y| {
            Rgb([x, y, x + y].map(|v| u8::try_from(v).unwrap_or(0) * 40))
        });
        let (_dir, path) = saved(image.clone(), "x.png");
        let pixels = decode_image(&path, 2, 3, 3, false).expect("a fine image");
        assert_eq!(pixels, image.clone().into_raw());
        let inverted = decode_image(&path, 2, 3, 3, true).expect("a fine image");
        assert!(pixels.iter().zip(&inverted).all(|(a, b)| a + b == 255));
    }

    #[test]
    fn the_center_is_cut_out() {
        // Left third black, middle third gray, right third white.
        let image = GrayImage::from_fn(30, 10, |x, _| Luma([[0, 100, 255][x as usize / 10]]));
        let (_dir, path) = saved(image.clone(), "wide.png");
        assert_eq!(decode_image(&path, 5, 5, 1, false).expect("fine"), [100; 25]);
        let (_dir, path) = saved(DynamicImage::ImageLuma8(image).rotate90(), "high.png");
        assert_eq!(decode_image(&path, 5, 5, 3, false).expect("fine"), [100; 75]);
    }

    #[test]
    fn extreme_proportions_and_enlarging_work() {
        let (_dir, path) = saved(GrayImage::from_pixel(1, 3000, Luma([9])), "thin.png");
        assert_eq!(decode_image(&path, 4, 64, 1, false).expect("fine"), [9; 256]);
    }

    #[test]
    fn transparent_parts_are_white() {
        let image =
            RgbaImage::from_fn(2, 1, |x, _| Rgba([0, 0, 0, u8::try_from(x).unwrap_or(0) * 255]));
        let (_dir, path) = saved(image, "x.png");
        assert_eq!(decode_image(&path, 1, 2, 1, false).expect("fine"), [255, 0]);
    }

    #[test]
    fn color_becomes_gray_and_content_tells_the_format() {
        let (_dir, path) = saved(RgbImage::from_pixel(8, 8, Rgb([200, 200, 200])), "x.jpg");
        let misnamed = path.with_extension("png");
        std::fs::rename(&path, &misnamed).expect("renamed");
        let pixels = decode_image(&misnamed, 8, 8, 1, false).expect("fine");
        assert!(pixels.iter().all(|&value| value.abs_diff(200) <= 1), "{pixels:?}");
    }

    #[test]
    fn failures_name_the_file_or_the_size() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("broken.png");
        let decode = |channels, size| {
            decode_image(&path, size, size, channels, false).expect_err("cannot work").to_string()
        };
        assert!(decode(1, 8).contains("cannot read"), "absent");
        std::fs::write(&path, b"\x89PNG\r\n\x1a\nrubbish").expect("written");
        assert!(decode(1, 8).contains("broken.png as PNG or JPEG"), "{}", decode(1, 8));
        std::fs::write(&path, b"text").expect("written");
        assert!(decode(1, 8).contains("broken.png"), "{}", decode(1, 8));
        assert!(decode(4, 8).contains("4 channels"), "{}", decode(4, 8));
        assert!(decode(1, 0).contains("image_size: 0 given"), "{}", decode(1, 0));
        assert!(decode(1, 5000).contains("1 to 4096"), "{}", decode(1, 5000));
    }
}
