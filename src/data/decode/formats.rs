//! The formats of pictures that are read: all that is said or decided about them follows from one list.

use std::path::Path;

use image::ImageFormat;

/// A format of pictures.
struct Format {
    name: &'static str,
    decoder: ImageFormat,
    /// Extensions of file names, in lower case and without the dot.
    extensions: &'static [&'static str],
}

const FORMATS: [Format; 6] = [
    Format { name: "PNG", decoder: ImageFormat::Png, extensions: &["png", "apng"] },
    Format {
        name: "JPEG",
        decoder: ImageFormat::Jpeg,
        extensions: &["jpg", "jpeg", "jpe", "jfif"],
    },
    Format { name: "WebP", decoder: ImageFormat::WebP, extensions: &["webp"] },
    Format { name: "BMP", decoder: ImageFormat::Bmp, extensions: &["bmp", "dib"] },
    Format { name: "GIF", decoder: ImageFormat::Gif, extensions: &["gif"] },
    Format { name: "TIFF", decoder: ImageFormat::Tiff, extensions: &["tif", "tiff"] },
];

/// The names of the formats of pictures that are read: "PNG, JPEG, WebP, BMP, GIF or TIFF".
#[must_use]
pub fn image_formats() -> String {
    joined(FORMATS.iter().map(|format| format.name))
}

/// The extensions of their files: ".png, .jpg, ... or .tiff".
pub(in crate::data) fn extensions() -> String {
    let all = FORMATS.iter().flat_map(|format| format.extensions);
    joined(all.map(|extension| format!(".{extension}")))
}

/// Whether a file name ends like that of a picture, in upper or lower case.
pub fn has_extension(path: &Path) -> bool {
    let Some(extension) = path.extension().and_then(|extension| extension.to_str()) else {
        return false;
    };
    let mut known = FORMATS.iter().flat_map(|format| format.extensions);
    known.any(|known| extension.eq_ignore_ascii_case(known))
}

/// Whether pictures of a format are read.
pub(super) fn is_read(decoder: ImageFormat) -> bool {
    FORMATS.iter().any(|format| format.decoder == decoder)
}

/// `a, b or c`.
fn joined<T: AsRef<str>>(items: impl Iterator<Item = T>) -> String {
    let items: Vec<T> = items.collect();
    let mut text = String::new();
    for (i, item) in items.iter().enumerate() {
        text.push_str(match i {
            0 => "",
            _ if i + 1 == items.len() => " or ",
            _ => ", ",
        });
        text.push_str(item.as_ref());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_extensions_follow_from_the_list() {
        assert_eq!(image_formats(), "PNG, JPEG, WebP, BMP, GIF or TIFF");
        assert!(extensions().starts_with(".png, ") && extensions().ends_with(" or .tiff"));
        for name in ["a.png", "a.JPG", "b.c.Jpeg", "x.tif", "x.WEBP", "x.gif", "x.bmp"] {
            assert!(has_extension(Path::new(name)), "{name}");
        }
        for name in ["png", "a.heic", "a.png.txt", "a"] {
            assert!(!has_extension(Path::new(name)), "{name}");
        }
    }

    /// Each format is compiled in, so that none of the list is refused when it comes.
    #[test]
    fn every_format_of_the_list_can_be_decoded() {
        for format in &FORMATS {
            assert!(format.decoder.reading_enabled(), "{}", format.name);
        }
    }
}
