//! Archives of arrays, and single arrays that are put into one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use verigrad::train::WeightFile;
use verigrad_fuzz::{look_at, with_file};

fuzz_target!(|bytes: &[u8]| {
    if bytes.starts_with(b"PK") {
        with_file("w.npz", bytes, |path| look_at(WeightFile::read(path)));
    } else {
        with_file("w.npz", &archive_of(bytes), |path| look_at(WeightFile::read(path)));
    }
});

/// A zip file of one stored entry, whose checksum is right.
fn archive_of(array: &[u8]) -> Vec<u8> {
    let checksum = array.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 * (crc & 1)))
    });
    let size = u32::try_from(array.len()).expect("a short input").to_le_bytes();
    let name = b"w.npy";
    let sizes = [&(!checksum).to_le_bytes()[..], &size, &size, &[5, 0, 0, 0]].concat();
    let mut file = [b"PK\x03\x04\x14\0\0\0\0\0\0\0\x21\0", &sizes[..], name, array].concat();
    let directory = u32::try_from(file.len()).expect("a short input").to_le_bytes();
    file.extend(b"PK\x01\x02\x14\0\x14\0\0\0\0\0\0\0\x21\0");
    file.extend(&sizes);
    file.extend([0; 14]);
    file.extend(name);
    file.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    file.extend(51_u32.to_le_bytes());
    file.extend(directory);
    file.extend([0, 0]);
    file
}
