//! Files of MNIST: images or labels, as the first byte says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use verigrad::data::idx::load_mnist;
use verigrad_fuzz::{look_at, with_folder};

const NAMES: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
];

fuzz_target!(|bytes: &[u8]| {
    let Some((&which, bytes)) = bytes.split_first() else { return };
    with_folder(|folder| {
        for (i, name) in NAMES.into_iter().enumerate() {
            let mut whole = vec![0, 0, 8, if i % 2 == 0 { 3 } else { 1 }, 0, 0, 0, 1];
            match i % 2 {
                0 => whole.extend([0, 0, 0, 28, 0, 0, 0, 28].into_iter().chain([7; 784])),
                _ => whole.push(3),
            }
            let is_tried = usize::from(which) % NAMES.len() == i;
            folder.write(name, if is_tried { bytes } else { &whole });
        }
        if let Some(splits) = look_at(load_mnist(folder.path())) {
            assert!(splits.train.labels.iter().all(|&label| label < 10));
        }
    });
});
