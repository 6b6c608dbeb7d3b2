//! Pictures as PNG: the bytes of a file, and an address that holds them.

use image::RgbImage;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};

use crate::report::ReportError;

/// A picture as the bytes of a PNG file.
///
/// # Errors
/// When the encoder fails, which is a defect of verigrad.
pub fn encode_png(picture: &RgbImage) -> Result<Vec<u8>, ReportError> {
    let mut png = Vec::new();
    let encoder =
        PngEncoder::new_with_quality(&mut png, CompressionType::Best, FilterType::Adaptive);
    picture
        .write_with_encoder(encoder)
        .map_err(|error| ReportError::Picture { message: error.to_string() })?;
    Ok(png)
}

/// Bytes as a `data:` address of a PNG.
pub(crate) fn png_uri(png: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::from("data:image/png;base64,");
    for chunk in png.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let kept = digit <= chunk.len();
            let index = (bits >> (18 - 6 * digit)) & 63;
            text.push(if kept { char::from(DIGITS[index as usize]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_encoded() {
        // RFC 4648, section 10.
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foobar", "Zm9vYmFy")] {
            assert_eq!(png_uri(bytes.as_bytes()), format!("data:image/png;base64,{text}"));
        }
    }
}
