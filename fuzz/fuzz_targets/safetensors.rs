//! Weight files, as other programs and as we write them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use verigrad::train::{WeightFile, load_weights, weights_metadata};
use verigrad_fuzz::{look_at, with_file};

fuzz_target!(|bytes: &[u8]| {
    with_file("w.safetensors", bytes, |path| {
        look_at(WeightFile::read(path));
        look_at(load_weights(path));
        look_at(weights_metadata(path));
    });
});
