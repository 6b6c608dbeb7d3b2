//! Image files to pixels of a given size.

pub(super) mod formats;
mod jpeg;
pub(super) mod part;

use std::io::BufReader;
use std::path::Path;

use fast_image_resize::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U8x3};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};
use image::metadata::Orientation;
use image::{
    DynamicImage, GrayImage, ImageDecoder, ImageFormat, ImageReader, Limits, Rgb, RgbImage,
};

use super::DataError;
use crate::input::{self, MOST_OF_A_PICTURE};
use formats::{image_formats, is_read};
use part::Part;

/// Reads a PNG, JPEG, WebP, BMP, GIF or TIFF file as `[height, width, channels]`, for a model that expects that size.
///
/// The largest centered part with the proportions of the result is cut out and resized to it; one
/// channel gives grayscale (as ITU-R 601-2 weighs colors, like Pillow), three give RGB. Of several
/// pictures in a file, the first counts. Transparent parts show white, and the orientation that
/// a camera noted is followed. `invert` turns dark into light: models of digits expect light
/// strokes on a dark ground, photographs of paper show the opposite.
///
/// # Errors
///
/// If the file cannot be read or decoded, or is larger than 512 MiB once decoded (178 million pixels), `channels` is neither 1 nor 3, or the size is 0 or above
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
    let framing = Framing { size: target, side: None, grayscale: channels == 1 };
    let image = open(path)?;
    let part = framing.part([image.height(), image.width()]);
    let pixels = framing.pixels(image, part);
    let mut pixels = pixels.map_err(|problem| DataError::undecodable(path, problem))?;
    if invert {
        pixels.iter_mut().for_each(|value| *value = u8::MAX - *value);
    }
    Ok(pixels)
}

/// Largest height or width that images are resized to, in pixels.
pub(super) const MAX_EXTENT: usize = 4096;

/// An extent that images can be resized to.
pub(super) fn checked_extent(extent: usize) -> Result<u32, DataError> {
    u32::try_from(extent).ok().filter(|_| (1..=MAX_EXTENT).contains(&extent)).ok_or_else(|| {
        let problem =
            format!("{extent} given: expected a height and a width of 1 to {MAX_EXTENT} pixels");
        DataError::config("image_size", problem)
    })
}

/// The most bytes that a decoded picture may take: 178 million pixels of RGB.
const MAX_DECODED: u64 = 512 << 20;

/// Decodes a file, whose content and not whose name tells its format.
///
/// Size and memory are checked by the header, before any of it is taken.
pub(super) fn open(path: &Path) -> Result<DynamicImage, DataError> {
    let unreadable = |source| DataError::read(path, source);
    let (file, _) = input::open(path, MOST_OF_A_PICTURE).map_err(unreadable)?;
    let reader =
        ImageReader::new(BufReader::new(file)).with_guessed_format().map_err(unreadable)?;
    let decoded = match reader.format() {
        Some(ImageFormat::Jpeg) => {
            jpeg::decode(&input::read(path, MOST_OF_A_PICTURE).map_err(unreadable)?)
        }
        Some(format) if is_read(format) => decode(reader),
        _ => Err(format!("its content is none of {}", image_formats())),
    };
    let (mut image, orientation) =
        decoded.map_err(|problem| DataError::undecodable(path, problem))?;
    image.apply_orientation(orientation);
    Ok(image)
}

/// Decodes what is no JPEG file.
fn decode(
    mut reader: ImageReader<BufReader<std::fs::File>>,
) -> Result<(DynamicImage, Orientation), String> {
    // What decoders need beside the picture; some of them take it before the size is known here.
    let mut limits = Limits::default();
    limits.max_alloc = Some(2 * MAX_DECODED);
    reader.limits(limits.clone());
    let text = |error: image::ImageError| error.to_string();
    let mut decoder = reader.into_decoder().map_err(text)?;
    let ((width, height), bytes) = (decoder.dimensions(), decoder.total_bytes());
    check_decoded(width, height, bytes)?;
    limits.reserve(bytes).map_err(text)?;
    decoder.set_limits(limits).map_err(text)?;
    let mut orientation = decoder.orientation().map_err(text)?;
    if orientation == Orientation::NoTransforms {
        let xmp = decoder.xmp_metadata().map_err(text)?;
        orientation = xmp.and_then(|xmp| orientation_in_xmp(&xmp)).unwrap_or(orientation);
    }
    Ok((DynamicImage::from_decoder(decoder).map_err(text)?, orientation))
}

/// Checks what a picture takes once decoded, as its header tells.
fn check_decoded(width: u32, height: u32, bytes: u64) -> Result<(), String> {
    if bytes <= MAX_DECODED {
        return Ok(());
    }
    Err(format!(
        "its {width} x {height} pixels take {bytes} bytes once decoded: expected at most {MAX_DECODED}; \
         make it smaller"
    ))
}

/// The orientation that XMP metadata tell, which editors of pictures write, as an attribute or an
/// element: `tiff:Orientation="6"`, `<tiff:Orientation>6<`.
fn orientation_in_xmp(xmp: &[u8]) -> Option<Orientation> {
    const KEY: &[u8] = b"tiff:Orientation";
    let at = xmp.windows(KEY.len()).position(|window| window == KEY)?;
    match xmp.get(at + KEY.len()..)? {
        [b'=', b'"' | b'\'', digit @ b'1'..=b'8', ..] | [b'>', digit @ b'1'..=b'8', ..] => {
            Orientation::from_exif(digit - b'0')
        }
        _ => None,
    }
}

/// How pictures become examples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Framing {
    /// Height and width of an example.
    pub size: [u32; 2],
    /// Pixels that the shorter side has before the center is cut out; without it, no more is cut off than
    /// the proportions ask for.
    pub side: Option<u32>,
    /// One channel, not three.
    pub grayscale: bool,
}

impl Framing {
    /// Channels of an example.
    pub fn channels(&self) -> usize {
        if self.grayscale { 1 } else { 3 }
    }

    /// The part of a picture of so many pixels, height and width, that an example shows where none is
    /// drawn.
    pub fn part(&self, of: [u32; 2]) -> Part {
        match self.side {
            Some(side) => Part::center(of, self.size, side),
            None => Part::largest(of, self.size),
        }
    }

    /// The pixels of a picture's part, `[height, width, 1]` or `[height, width, 3]`.
    ///
    /// # Errors
    ///
    /// Says why it cannot be resized.
    pub fn pixels(&self, image: DynamicImage, part: Part) -> Result<Vec<u8>, String> {
        let image = resized(opaque(image), part, self.size)?;
        Ok(match (self.grayscale, image) {
            (true, DynamicImage::ImageRgb8(image)) => {
                image.pixels().map(|pixel| luma(pixel.0)).collect()
            }
            (true, image) => image.to_luma8().into_raw(),
            (false, image) => image.into_rgb8().into_raw(),
        })
    }
}

/// A picture of 8-bit gray or RGB without transparency.
fn opaque(image: DynamicImage) -> DynamicImage {
    let color = image.color();
    match image {
        DynamicImage::ImageLuma8(_) | DynamicImage::ImageRgb8(_) => image,
        image if color.has_alpha() => over_white(&image),
        image if color.has_color() => DynamicImage::ImageRgb8(image.into_rgb8()),
        image => DynamicImage::ImageLuma8(image.into_luma8()),
    }
}

/// Resizes a part of a picture of 8-bit gray or RGB, with the weights that Pillow takes for `BILINEAR`.
fn resized(
    image: DynamicImage,
    part: Part,
    [height, width]: [u32; 2],
) -> Result<DynamicImage, String> {
    let (has, all) = ([image.height(), image.width()], part.pixels());
    if all == Some([0, 0, height, width]) && has == [height, width] {
        return Ok(image);
    }
    let image = if image.color().has_color() {
        let pixels = resampled::<U8x3>(image.as_bytes(), has, part, [height, width])?;
        RgbImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgb8)
    } else {
        let pixels = resampled::<U8>(image.as_bytes(), has, part, [height, width])?;
        GrayImage::from_raw(width, height, pixels).map(DynamicImage::ImageLuma8)
    };
    image.ok_or_else(|| "it cannot be resized: its pixels are fewer than its size".to_owned())
}

/// Resizes a part of the pixels of a picture of `has`, height and width. Of one type of pixels and one kind
/// of view, because all that the resizer does is compiled for each: through types that are known when it runs
/// only, that was a third of the code of this crate.
fn resampled<P: PixelTrait>(
    pixels: &[u8],
    has: [u32; 2],
    part: Part,
    [height, width]: [u32; 2],
) -> Result<Vec<u8>, String> {
    let text = |error: &dyn std::fmt::Display| format!("it cannot be resized: {error}");
    let from = TypedImageRef::<P>::from_buffer(has[1], has[0], pixels).map_err(|e| text(&e))?;
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    // What is cut out along pixels knows nothing of those around it; else they weigh in at its edges.
    let (cut, options) = match part.pixels() {
        Some(cut) => (cut, options),
        None => {
            let options = options.crop(part.left, part.top, part.width, part.height);
            ([0, 0, has[0], has[1]], options)
        }
    };
    let [top, left, cut_height, cut_width] = cut;
    let cut = TypedCroppedImage::new(from, left, top, cut_width, cut_height);
    let cut = cut.map_err(|e| text(&e))?;
    let mut bytes = vec![0; bytes_of::<P>(height, width)];
    let mut to = TypedImage::<P>::from_buffer(width, height, &mut bytes).map_err(|e| text(&e))?;
    Resizer::new().resize_typed(&cut, &mut to, &options).map_err(|e| text(&e))?;
    Ok(bytes)
}

/// Bytes of a picture; both extents are at most [`MAX_EXTENT`].
fn bytes_of<P>(height: u32, width: u32) -> usize {
    [height, width].into_iter().fold(size_of::<P>(), |bytes, extent| bytes * extent as usize)
}

/// The brightness of a color by ITU-R 601-2, to the bit as Pillow and so torchvision compute it.
fn luma([r, g, b]: [u8; 3]) -> u8 {
    let [r, g, b] = [r, g, b].map(u32::from);
    // At most 255, because the weights sum to 65536.
    u8::try_from((r * 19_595 + g * 38_470 + b * 7_471 + 0x8000) >> 16).unwrap_or(u8::MAX)
}

/// Lays an image with transparent parts on white: their hidden color, often black, must not show.
fn over_white(image: &DynamicImage) -> DynamicImage {
    let source = image.to_rgba8();
    let mut opaque = RgbImage::new(source.width(), source.height());
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
    use image::{Luma, Rgba, RgbaImage};

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
        assert!(decode(1, 8).contains("broken.png: "), "{}", decode(1, 8));
        for other in [&b"text"[..], b""] {
            std::fs::write(&path, other).expect("written");
            let text = decode(1, 8);
            assert!(text.contains("broken.png: its content is none of PNG, JPEG, WebP"), "{text}");
        }
        assert!(decode(4, 8).contains("4 channels"), "{}", decode(4, 8));
        assert!(decode(1, 0).contains("image_size: 0 given"), "{}", decode(1, 0));
        assert!(decode(1, 5000).contains("1 to 4096"), "{}", decode(1, 5000));
    }

    /// Pillow's `Image.new("RGB", (1, 1), color).convert("L")`.
    #[test]
    fn gray_is_weighed_as_pillow_does() {
        for (color, gray) in [
            ([255, 0, 0], 76),
            ([0, 255, 0], 150),
            ([0, 0, 255], 29),
            ([200, 30, 90], 88),
            ([255, 255, 255], 255),
            ([7, 7, 7], 7),
        ] {
            let (_dir, path) = saved(RgbImage::from_pixel(2, 2, Rgb(color)), "x.png");
            assert_eq!(decode_image(&path, 2, 2, 1, false).expect("fine"), [gray; 4], "{color:?}");
        }
    }

    #[test]
    fn every_format_gives_its_pixels() {
        let image = RgbImage::from_fn(9, 7, |x, y| {
            Rgb([x * 20, y * 30, 255 - x * y].map(|v| u8::try_from(v).unwrap_or(0)))
        });
        for name in ["x.png", "x.webp", "x.bmp", "x.tiff"] {
            let (_dir, path) = saved(image.clone(), name);
            let pixels = decode_image(&path, 7, 9, 3, false).expect("a fine image");
            assert!(pixels == image.clone().into_raw(), "{name}");
        }
        // A palette of 256 colors holds these two.
        let image = RgbImage::from_fn(9, 7, |x, _| Rgb([if x < 4 { 0 } else { 255 }; 3]));
        let (_dir, path) = saved(image.clone(), "x.gif");
        assert_eq!(decode_image(&path, 7, 9, 3, false).expect("a fine image"), image.into_raw());
    }

    /// The header of a PNG file of `width` x `height` pixels of RGB, and almost nothing behind.
    fn png_of(width: u32, height: u32) -> Vec<u8> {
        let chunk = |kind: &[u8], data: &[u8]| {
            let mut crc = flate2::Crc::new();
            crc.update(&[kind, data].concat());
            let length = u32::try_from(data.len()).expect("short").to_be_bytes();
            [&length[..], kind, data, &crc.sum().to_be_bytes()].concat()
        };
        let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
        let header = [&size[..], &[8, 2, 0, 0, 0]].concat();
        let empty = [0x78, 0x9C, 3, 0, 0, 0, 0, 1];
        [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &header), chunk(b"IDAT", &empty)].concat()
    }

    /// A JPEG file whose header tells another size, in place of its own.
    fn jpeg_of(width: u16, height: u16) -> Vec<u8> {
        let mut file = std::io::Cursor::new(Vec::new());
        RgbImage::new(8, 8).write_to(&mut file, ImageFormat::Jpeg).expect("into memory");
        let mut file = file.into_inner();
        let frame = file.windows(2).position(|pair| pair == [0xFF, 0xC0]).expect("a frame");
        file[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
        file[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
        file
    }

    /// A BMP, GIF or TIFF file would need as much, were its header believed.
    #[test]
    fn huge_sizes_are_refused_by_the_header() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("huge.dat");
        let gif = [
            b"GIF89a",
            &[0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0][..],
            &[0x2C, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 2, 0, 0x3B],
        ]
        .concat();
        let mut bmp = [b"BM", &[0; 8][..], &[54, 0, 0, 0, 40, 0, 0, 0]].concat();
        bmp.extend([60_000_u32.to_le_bytes(), 60_000_u32.to_le_bytes()].concat());
        bmp.extend([1, 0, 24, 0]);
        bmp.extend([0; 64]);
        for (kind, file) in [
            ("png", png_of(20_000, 20_000)),
            ("png", png_of(0x7FFF_FFFF, 0x7FFF_FFFF)),
            ("jpeg", jpeg_of(65_535, 32_768)),
            ("gif", gif),
            ("bmp", bmp),
        ] {
            std::fs::write(&path, file).expect("written");
            let message = decode_image(&path, 8, 8, 3, false).expect_err(kind).to_string();
            assert!(message.contains("huge.dat"), "{kind}: {message}");
            let named = message.contains("once decoded") || message.contains("imit");
            assert!(named, "{kind}: {message}");
        }
    }

    /// Every byte of a file of every format changed in two ways, and every length of it.
    #[test]
    fn damage_never_panics() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("damaged");
        let image = RgbImage::from_fn(9, 7, |x, y| {
            Rgb([x * 20, y * 30, x * y].map(|v| u8::try_from(v).unwrap_or(0)))
        });
        for name in ["x.png", "x.jpg", "x.webp", "x.bmp", "x.gif", "x.tiff"] {
            let (_dir, whole) = saved(image.clone(), name);
            let whole = std::fs::read(whole).expect("written");
            let mut errors = 0;
            let mut check = |file: &[u8]| {
                std::fs::write(&path, file).expect("written");
                errors += usize::from(decode_image(&path, 7, 9, 3, false).is_err());
            };
            for at in 0..whole.len() {
                for mask in [0x55, 0xFF] {
                    let mut changed = whole.clone();
                    changed[at] ^= mask;
                    check(&changed);
                }
                check(&whole[..at]);
            }
            assert!(errors > 20, "{name}: {errors} errors");
        }
    }

    #[test]
    fn orientation_is_taken_from_xmp_where_exif_has_none() {
        for (text, expected) in [
            ("<x tiff:Orientation=\"6\"/>", Some(Orientation::Rotate90)),
            ("<tiff:Orientation>3</tiff:Orientation>", Some(Orientation::Rotate180)),
            ("<tiff:Orientation>9</tiff:Orientation>", None),
            ("<tiff:Orientation", None),
            ("nothing", None),
        ] {
            assert_eq!(orientation_in_xmp(text.as_bytes()), expected, "{text}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn devices_are_no_pictures() {
        let error = decode_image(Path::new("/dev/zero"), 8, 8, 3, false).expect_err("a device");
        let source = std::error::Error::source(&error).map(ToString::to_string);
        assert!(source.is_some_and(|text| text.contains("regular file")), "{error}");
    }
}
