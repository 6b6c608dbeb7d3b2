//! Pictures of every format, by their content.
#![no_main]

use libfuzzer_sys::fuzz_target;
use verigrad::data::decode_image;
use verigrad_fuzz::{look_at, with_file};

fuzz_target!(|bytes: &[u8]| {
    with_file("p", bytes, |path| {
        if let Some(pixels) = look_at(decode_image(path, 8, 8, 3, false)) {
            assert_eq!(pixels.len(), 8 * 8 * 3);
        }
    });
});
