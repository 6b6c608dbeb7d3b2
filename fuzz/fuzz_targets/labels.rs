//! A CSV file of pictures and their classes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use verigrad::data::{DataConfig, DatasetKind, load};
use verigrad_fuzz::{look_at, with_folder};

/// Two by two pixels.
const PICTURE: &[u8] = b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x02\0\0\0\x02\0\0\0\x01\0\x18\0\0\0\0\0\x10\0\
    \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x02\x03\x04\x05\x06\0\0\x07\x08\x09\x0a\x0b\x0c\0\0";

fuzz_target!(|bytes: &[u8]| {
    with_folder(|folder| {
        for name in ["a.bmp", "b.bmp", "c/d.bmp"] {
            folder.write(name, PICTURE);
        }
        folder.write("labels.csv", bytes);
        let config = DataConfig {
            dataset: DatasetKind::Folder,
            path: Some(folder.path().to_owned()),
            labels: Some("labels.csv".into()),
            skip_damaged: bytes.len() % 2 == 0,
            ..DataConfig::default()
        };
        look_at(load(&config, None));
    });
});
