//! Compressed files of a data set.
#![no_main]

use libfuzzer_sys::fuzz_target;
use verigrad::data::idx::load_mnist;
use verigrad_fuzz::{look_at, with_folder};

fuzz_target!(|bytes: &[u8]| {
    with_folder(|folder| {
        for name in ["train-images-idx3-ubyte", "t10k-images-idx3-ubyte"] {
            folder.write(&format!("{name}.gz"), bytes);
        }
        for name in ["train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte"] {
            folder.write(name, &[0, 0, 8, 1, 0, 0, 0, 1, 3]);
        }
        look_at(load_mnist(folder.path()));
    });
});
