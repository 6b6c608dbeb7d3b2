//! Batches and class names of CIFAR, as the first byte says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use verigrad::data::cifar::{load_cifar10, load_cifar100};
use verigrad_fuzz::{look_at, with_folder};

fuzz_target!(|bytes: &[u8]| {
    let Some((&which, bytes)) = bytes.split_first() else { return };
    with_folder(|folder| {
        let names = |count: usize| -> Vec<u8> {
            (0..count).flat_map(|class| format!("class {class}\n").into_bytes()).collect()
        };
        let is_batch = which % 2 == 0;
        let batch = |whole: usize| if is_batch { bytes.to_vec() } else { vec![1; whole] };
        let classes = |count: usize| if is_batch { names(count) } else { bytes.to_vec() };
        if which % 4 < 2 {
            for i in 1..=5 {
                folder.write(&format!("data_batch_{i}.bin"), &batch(3073));
            }
            folder.write("test_batch.bin", &batch(3073));
            folder.write("batches.meta.txt", &classes(10));
            look_at(load_cifar10(folder.path()));
        } else {
            folder.write("train.bin", &batch(3074));
            folder.write("test.bin", &batch(3074));
            folder.write("fine_label_names.txt", &classes(100));
            look_at(load_cifar100(folder.path()));
        }
    });
});
