//! Models in 8 bits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use verigrad::analysis::QuantizedModel;
use verigrad_fuzz::{look_at, with_file};

fuzz_target!(|bytes: &[u8]| {
    with_file("w.safetensors", bytes, |path| look_at(QuantizedModel::load(path)));
});
