//! Files of PyTorch: whole ones, and pickles of state dicts that are put into one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use verigrad::train::WeightFile;
use verigrad_fuzz::{look_at, with_file};

/// The number of the format before PyTorch 1.6, the version of its protocol, and an empty dictionary.
const BEFORE: &[u8] =
    b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}q\0.";
/// The names of the storages: one.
const NAMES: &[u8] = b"\x80\x02]q\0X\x01\0\0\x000a.";

fuzz_target!(|bytes: &[u8]| {
    if bytes.starts_with(b"PK") || bytes.starts_with(&BEFORE[..14]) {
        with_file("w.pt", bytes, |path| look_at(WeightFile::read(path)));
    } else {
        let storage = [&24_u64.to_le_bytes()[..], &[0x3f; 96]].concat();
        let file = [BEFORE, bytes, NAMES, &storage].concat();
        with_file("w.pt", &file, |path| look_at(WeightFile::read(path)));
    }
});
