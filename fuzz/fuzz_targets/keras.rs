//! Files of Keras: HDF5, and the archives that hold one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use verigrad::train::WeightFile;
use verigrad_fuzz::{look_at, with_file};

/// How HDF5 files begin.
const HDF5: &[u8] = b"\x89HDF\r\n\x1a\n";

fuzz_target!(|bytes: &[u8]| {
    if bytes.starts_with(b"PK") || bytes.starts_with(HDF5) {
        with_file("w.h5", bytes, |path| look_at(WeightFile::read(path)));
    } else {
        let file = [HDF5, bytes].concat();
        with_file("w.h5", &file, |path| look_at(WeightFile::read(path)));
    }
});
